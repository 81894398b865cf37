/** Why the gateway cut a live connection. */
export type CutKind = 'too_much_waits' | 'stalled' | 'flood' | 'token_expired' | 'broken';

export type LiveKind = 'socket_io' | 'event_stream';

/** What happened to a caller's connection, or to a webhook. */
export type GatewayEvent =
  | { readonly tag: 'connected'; readonly kind: LiveKind }
  | { readonly tag: 'disconnected'; readonly kind: LiveKind }
  | { readonly tag: 'cut'; readonly kind: LiveKind; readonly why: CutKind }
  /** A slow reader missed a preview, or a state that a newer one replaced. */
  | { readonly tag: 'dropped'; readonly what: 'state' | 'preview' }
  /** A state was sent to a reader `ageMs` after the frame or look behind it arrived. */
  | { readonly tag: 'stateSent'; readonly ageMs: number }
  | { readonly tag: 'webhookTried'; readonly outcome: 'delivered' | 'unwanted' | 'failed'; readonly ms: number }
  /** A webhook that had failed before was delivered, or was given up. */
  | { readonly tag: 'webhookEnded'; readonly outcome: 'recovered' | 'exhausted' };

export type GatewayTelemetry = (event: GatewayEvent) => void;
