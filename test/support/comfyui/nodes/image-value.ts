/** An image as the simulated nodes hand it on. */
export interface ImageValue {
  readonly kind: 'image';
  readonly width: number;
  readonly height: number;
  /** 0xRRGGBB */
  readonly color: number;
}

export function isImage(value: unknown): value is ImageValue {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'image';
}
