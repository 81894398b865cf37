/**
 * Every bound on what comes from outside (R16): beyond it a thing is refused by the bound's name, or cut where it is only
 * shown. Where users may meet one, a setting changes it; `docs/api.md` lists them.
 */
export const bounds = {
  /** Bytes of a request's body; setting `MAX_BODY_BYTES`. ComfyUI takes 100 MiB. */
  bodyBytes: 32 << 20,
  /** Nodes of a workflow. */
  nodes: 10_000,
  /** Links into one node, and in a whole workflow. */
  linksPerNode: 1_000,
  links: 100_000,
  /** Characters of a node's id, class name and title; a title is cut. */
  nodeIdLength: 200,
  classNameLength: 300,
  titleLength: 200,
  /** Complaints of ComfyUI's validation kept with a job, and characters of each. */
  nodeErrors: 100,
  messageLength: 2_000,
  /** Outputs kept with a job, and characters of its texts, one and all together. */
  outputs: 2_000,
  textLength: 16_384,
  textsLength: 65_536,
  /** Bytes of a state as JSON. */
  stateBytes: 1 << 20,
  /** Bytes of a text frame. */
  frameBytes: 4 << 20,
  /** Events of jobs that are not known yet: jobs, and bytes in all. */
  earlyJobs: 64,
  earlyBytes: 8 << 20,
  /** Webhooks under way, of an instance: in all, to one host, for one user. */
  webhooks: 50,
  webhooksPerHost: 4,
  webhooksPerUser: 10,
  /** Bytes of a published key set. */
  keySetBytes: 256 << 10,
  /** CONNECT packets of one socket, and sockets of one address that have not shown a token yet. */
  connectsPerSocket: 4,
  unknownSocketsPerAddress: 1_000,
} as const;
