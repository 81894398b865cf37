/** Why the gateway cut a live connection. */
export type CutKind = 'too_much_waits' | 'stalled' | 'flood' | 'token_expired' | 'broken';

export type LiveKind = 'socket_io' | 'event_stream';

/** What the gateway's callers got, or did not. */
export type GatewayEvent =
  | { readonly tag: 'connected'; readonly kind: LiveKind }
  | { readonly tag: 'disconnected'; readonly kind: LiveKind }
  | { readonly tag: 'cut'; readonly kind: LiveKind; readonly why: CutKind }
  /** A slow reader does not get a state because a newer one is there, or a preview. */
  | { readonly tag: 'dropped'; readonly what: 'state' | 'preview' }
  /** A state leaves for a reader so long after what it tells of came. */
  | { readonly tag: 'stateSent'; readonly ageMs: number }
  | { readonly tag: 'webhookTried'; readonly outcome: 'delivered' | 'unwanted' | 'failed'; readonly ms: number }
  /** A webhook that had failed before was taken, or is given up for good. */
  | { readonly tag: 'webhookEnded'; readonly outcome: 'recovered' | 'exhausted' };

export type GatewayTelemetry = (event: GatewayEvent) => void;
