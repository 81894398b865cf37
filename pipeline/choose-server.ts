/** What routing looks at. */
export interface Candidate {
  /** The job types it takes; all where absent. */
  readonly tags?: readonly string[];
  readonly healthy: boolean;
  /** Jobs it has in hand. */
  readonly queue: number;
}

/** Of the servers that take this type, the healthy one with the shortest queue; any of them where none is healthy. */
export function route<S extends Candidate>(servers: readonly S[], type: string): S | undefined {
  const taking = servers.filter(({ tags }) => tags === undefined || tags.includes(type));
  const healthy = taking.filter((server) => server.healthy);
  return [...(healthy.length > 0 ? healthy : taking)].sort((a, b) => a.queue - b.queue)[0];
}
