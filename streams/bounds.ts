/**
 * Every bound on what comes from outside (R16): beyond it a thing is refused by the bound's name, or cut where it is only
 * shown. Where users may meet one, a setting changes it; `docs/api.md` lists them.
 */
export const bounds = {
  /** Bytes of a request's body; setting `MAX_BODY_BYTES`. ComfyUI takes 100 MiB. */
  bodyBytes: 32 << 20,
  /** Levels of JSON in a body, fields of its outermost object, and values in all. */
  bodyLevels: 100,
  bodyFields: 100,
  bodyValues: 500_000,
  /** Bodies of 256 KiB and more of one user that are read and checked at a time, and inputs; so many others wait, unread. */
  bodiesAtOnce: 1,
  inputsAtOnce: 4,
  bodiesWaiting: 100,
  /** After so long without a byte an upload is cut, and one that averages less than this is as well. */
  uploadStallMs: 10_000,
  uploadBytesPerSecond: 16_384,
  /** Bytes of an uploaded input; setting `MAX_INPUT_BYTES`. */
  inputBytes: 100 << 20,
  /** Characters of its name and of its subfolder. */
  inputNameLength: 200,
  /** Bad fields that a refusal names. */
  fieldErrors: 20,
  /** Characters of a job's metadata as JSON, which goes out with each of its states. */
  metadataLength: 16_384,
  /** Output nodes that a job may be confined to. */
  executionTargets: 1_000,
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
} as const;
