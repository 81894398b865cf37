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
  /** Bytes of a text frame, and how deep what ComfyUI writes may be nested. */
  frameBytes: 4 << 20,
  jsonDepth: 200,
  /** Characters of an output's file name and of its folder: a file with longer ones is left out. */
  filenameLength: 500,
  /** Nodes of a run whose progress is noted: those of the workflow, and those that its loops make. */
  startedNodes: 50_000,
  /** Bytes of a picture that came over the socket, and of all of one job. */
  pictureBytes: 32 << 20,
  picturesBytes: 64 << 20,
  /** Events of jobs that are not known yet: jobs, and bytes in all. */
  earlyJobs: 64,
  earlyBytes: 8 << 20,
} as const;
