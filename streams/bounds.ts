/**
 * Every bound on what comes from outside (R16): beyond it a thing is refused by the bound's name, or cut where it is only
 * shown. Where users may meet one, a setting changes it; `docs/interfaces/api.md` lists them.
 */
export const bounds = {
  /** Bytes of a request's body; setting `MAX_BODY_BYTES`. ComfyUI takes 100 MiB. */
  bodyBytes: 32 << 20,
  /** Levels of JSON in a body, fields of its outermost object, and values in all. */
  bodyLevels: 100,
  bodyFields: 100,
  bodyValues: 200_000,
  /** Bodies of 256 KiB and more of one user that are read and checked at a time, and inputs; so many others wait, unread. */
  bodiesAtOnce: 1,
  inputsAtOnce: 4,
  bodiesWaiting: 100,
  /** Bytes of all bodies that an instance has in hand, read and not checked yet; twice the largest body where that is more. */
  bodiesBytes: 64 << 20,
  /** After so long without a byte an upload is cut, and one that averages less than this is as well. */
  uploadStallMs: 10_000,
  uploadBytesPerSecond: 16_384,
  /** Bytes of an uploaded input; setting `MAX_INPUT_BYTES`. */
  inputBytes: 100 << 20,
  /** Characters of its name and of its subfolder. */
  inputNameLength: 200,
  /** Bad fields that a refusal names. */
  fieldErrors: 20,
  /** Characters of a job's type, of whose it is and of which character, of the server asked for. */
  typeLength: 100,
  userIdLength: 200,
  characterIdLength: 200,
  serverLength: 2_000,
  /** Runs that a job may ask for, and for how long. */
  attempts: 10,
  timeoutMs: 30 * 24 * 3_600_000,
  /** Bytes of a job's metadata as JSON in UTF-8, which goes out with each of its states. */
  metadataBytes: 16_384,
  /** Output nodes that a job may be confined to. */
  executionTargets: 1_000,
  /** Bytes of a workflow, and of extra data, as text; ComfyUI takes 100 MiB. */
  promptBytes: 100 << 20,
  /** Nodes of a workflow. */
  nodes: 10_000,
  /** Links into one node, and in a whole workflow. */
  linksPerNode: 1_000,
  links: 50_000,
  /** Characters of a node's id, class name and title; a title is cut. Nodes that a loop makes as it runs have longer ids, some characters more a round. */
  nodeIdLength: 200,
  madeNodeIdLength: 2_000,
  classNameLength: 300,
  titleLength: 200,
  /** Complaints of ComfyUI's validation kept with a job, and characters of each. */
  nodeErrors: 100,
  messageLength: 2_000,
  /** Characters of all of a job's complaints as JSON. */
  nodeErrorsLength: 65_536,
  /** Outputs kept with a job, bytes of them as JSON, and characters of its texts, one and all together. */
  outputs: 2_000,
  outputsBytes: 512 << 10,
  textLength: 16_384,
  textsLength: 65_536,
  /** States that an instance writes in a second: of 250 jobs four times each, of a thousand once. A new `status` is written at once. */
  writesPerSecond: 1_000,
  /** Bytes of a state as JSON. */
  stateBytes: 1 << 20,
  /** Bytes of a promptId: what the key of an embedded store holds. */
  promptIdBytes: 1_850,
  /** Bytes of an answer that holds many jobs, written as JSON in some 2 ms: past that, the answer says that there are more. One job is always in it. */
  answerBytes: 512 << 10,
  /** Bytes of such an answer that count as one more join over a socket, and as one more request over HTTP. */
  bytesPerJoin: 16 << 10,
  bytesPerRequest: 64 << 10,
  /** Lists of one user that are read at a time; so many others wait. */
  listsAtOnce: 1,
  listsWaiting: 100,
  /** States that are read for one page, however few of them match. */
  pageReads: 2_000,
  /** Files that came over a socket: bytes each, of a job's together, how many, and characters of a name. */
  fileBytes: 32 << 20,
  filesBytes: 128 << 20,
  files: 200,
  /** Bytes of those, of all jobs of an instance, that wait for a store that is away. */
  filesWaitingBytes: 64 << 20,
  fileNameLength: 300,
  /** Unreadable values of which it is remembered that they were reported. */
  unreadableKeys: 1_000,
  /** Unsettled jobs of a user, setting `JOBS_PER_USER`, and bytes of the workflows stored for them, `WORKFLOW_BYTES_PER_USER`; an only one may be larger. */
  jobsPerUser: 1_000,
  bytesPerUser: 16 << 20,
  /** Nodes of all of a user's unsettled jobs that one instance watches: 1 KB of memory each. */
  nodesPerUser: 60_000,
  /** Places of a server's queue that are gone through for the time to a job's start. */
  queuePlaces: 20_000,
  /** Nodes of strangers' workflows there that an instance keeps: 1 KB of memory each; and how many of them it reads at one look, some 2 µs each. */
  strangersNodes: 20_000,
  strangersNodesAtOnce: 5_000,
  /** How long a job may take in all, where nobody says otherwise and it is no training; setting `JOB_TIMEOUT_MS`. */
  jobMs: 12 * 3_600_000,
  /** Cancels of jobs that other instances watch, which an instance passes on at a time. */
  cancels: 1_000,
  /** Runs that are no longer followed, which an instance asks servers to stop at a time. */
  stops: 1_000,
  /** Callers' keys, and webhooks, of unsettled jobs, which an instance remembers beside the store. */
  keys: 10_000,
  hooks: 10_000,
  /** Characters of the workflows that may have to be posted yet, or again, and are remembered likewise. */
  keptWorkflowsLength: 8 << 20,
  /** Characters of an id that a server gives a run. */
  runIdLength: 200,
  /** Of the key that makes a submission safe to repeat, in bytes: LMDB's keys have 1,978. */
  onceKeyBytes: 1_900,
  /** Of what tells it from another under the same key. */
  onceBodyBytes: 4_096,
  /** Bytes of a text frame, of one that ends the socket, and of any other; values in a text frame; and how deep what ComfyUI writes may be nested. */
  frameBytes: 4 << 20,
  frameValues: 150_000,
  lastFrameBytes: 16 << 20,
  binaryFrameBytes: 64 << 20,
  jsonDepth: 200,
  /**
   * Between two frames of one job's progress that are read, ms: twenty-five a second, so that steps of a twentieth of a
   * second are all told; a bar of half a second has no others. While more comes than can be taken, a quarter as often. One
   * that waits for its turn is read after so long without a newer one.
   */
  frameSpaceMs: 40,
  pressedFrameSpaceMs: 160,
  frameWaitMs: 30,
  /** The same where an instance reads more than so many of them a second, for many jobs: four a second each. */
  busyReadsPerSecond: 5_000,
  busyFrameSpaceMs: 250,
  busyFrameWaitMs: 100,
  /** Share of the time that such frames may take while more comes than can be taken. */
  readingShare: 0.1,
  /** Jobs of one socket whose frames are told apart by their first bytes; what all others send is read whole. */
  frameLanes: 20_000,
  /** Bytes of the frames of one socket that wait for their turn; past that, one that comes is read at once. */
  waitingFramesBytes: 32 << 20,
  /** Bytes of a frame that is taken out of what a socket brings, without `ws`; longer ones go through it. */
  splitFrameBytes: 128 << 10,
  /** Bytes that one socket brings in one turn of the event loop. */
  turnBytes: 512 << 10,
  /** Characters of an output's file name and of its folder: a file with longer ones is left out. */
  filenameLength: 500,
  /**
   * Nodes that a run made, in loops say, whose progress is noted beside that of the workflow's own: half a KB of memory
   * each; and how long the id of one may be, times the nodes before it.
   */
  madeNodes: 4_000,
  madeIdsLength: 400_000,
  /** Bytes of the outputs that a run holds until its end; of one that has more, history tells. */
  heldOutputsBytes: 1 << 20,
  /** Events of jobs that are not known yet: jobs, and bytes in all. */
  earlyJobs: 64,
  earlyBytes: 8 << 20,
  /** Bytes of an output that is passed on; setting `MAX_OUTPUT_BYTES`. */
  outputBytes: 2 ** 30,
  /** Downloads at a time, of one user (setting `DOWNLOADS_PER_USER`) and from one ComfyUI; those of one user that wait for a turn. */
  downloadsPerUser: 16,
  downloadsPerServer: 64,
  downloadsWaiting: 100,
  /** How long a download waits for its turn, and how long a reader may read nothing; less where another waits. */
  turnMs: 10_000,
  /** How long an application's own `auth` may take: less than a socket has to show a token. */
  authMs: 8_000,
  stallMs: 30_000,
  stallBesideOthersMs: 2_000,
  /** How long the signed URL of an output is good at least. */
  signedUrlMs: 5 * 60_000,
  /** Bytes of a preview: a PNG of noise, 1024 pixels square, has 3.1 MiB. */
  previewBytes: 4 << 20,
  /** Previews of a job for those who watch it through another instance: bytes each, and how many a second; changes under way to them. */
  sharedPreviewBytes: 256 << 10,
  sharedPreviewsPerSecond: 5,
  announcedAtOnce: 32,
  /** Of a report: its metrics, characters of a metric's name and of a stage; outputs at its end, and characters of each. */
  metrics: 20,
  metricNameLength: 64,
  stageLength: 100,
  reportedOutputs: 100,
  reportedOutputLength: 2_000,
  /** Reports of one job that are taken in a second, at one instance. */
  reportsPerSecond: 10,
  /** How long a job may be silent that reports itself: where nobody says, at least, at most. */
  silentMs: 5 * 60_000,
  leastSilentMs: 1_000,
  mostSilentMs: 24 * 3_600_000,
  /** How long the token of a job that reports itself is good, where the job has no deadline. */
  reportTokenMs: 30 * 24 * 3_600_000,
  /** Webhooks under way, of an instance: in all, to one host, for one user. */
  webhooks: 50,
  webhooksPerHost: 4,
  webhooksPerUser: 10,
  /** Bytes of a published key set. */
  keySetBytes: 256 << 10,
  /** Requests of one connection that wait behind the one that is answered. */
  pipelined: 32,
  /** CONNECT packets of one socket, and sockets of one address that have not shown a token yet. */
  connectsPerSocket: 4,
  unknownSocketsPerAddress: 1_000,
} as const;
