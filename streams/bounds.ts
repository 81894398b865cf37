/**
 * Every bound on what comes from outside (R16). What exceeds one is refused by name, or cut if it is only shown.
 * Settings change those that users may meet; `docs/interfaces/api.md` lists them.
 */
export const bounds = {
  /** Bytes of a request's body; setting `MAX_BODY_BYTES`. ComfyUI takes 100 MiB. */
  bodyBytes: 32 << 20,
  /** Of a body: levels of nesting, fields of its outermost object, and values in all. */
  bodyLevels: 100,
  bodyFields: 100,
  bodyValues: 200_000,
  /** Characters of JSON of such a field, but for a workflow and extra data: more are not searched for doubled names. */
  fieldLength: 256 << 10,
  /**
   * Of one user at a time: bodies of 256 KiB and more, and uploads of inputs; how many more large bodies wait unread.
   */
  bodiesAtOnce: 1,
  inputsAtOnce: 4,
  bodiesWaiting: 100,
  /**
   * Bytes of all bodies that an instance has read and not checked yet; at least two bodies of the largest size. Past
   * that the largest that is being read gives way.
   */
  bodiesBytes: 64 << 20,
  /** An upload is cut after this long without a byte, ms; or if it averages fewer bytes a second over 20 s. */
  uploadStallMs: 10_000,
  uploadBytesPerSecond: 16_384,
  /** Bytes of an uploaded input; setting `MAX_INPUT_BYTES`. */
  inputBytes: 100 << 20,
  /** Characters of its name and of its subfolder. */
  inputNameLength: 200,
  /** How many bad fields a refusal names. */
  fieldErrors: 20,
  /** Characters of a job's `type`, `userId`, `characterId` and `server`. */
  typeLength: 100,
  userIdLength: 200,
  characterIdLength: 200,
  serverLength: 2_000,
  /** What a request may ask for at most: runs of one job, and its time limit, ms. */
  attempts: 10,
  timeoutMs: 30 * 24 * 3_600_000,
  /** Bytes of a job's metadata as JSON in UTF-8, which is part of each of its states. */
  metadataBytes: 16_384,
  /** Output nodes that a request may name in `partialExecutionTargets`. */
  executionTargets: 1_000,
  /** Bytes of a workflow, and of extra data, as text; ComfyUI takes 100 MiB. */
  promptBytes: 100 << 20,
  /** Nodes of a workflow. */
  nodes: 10_000,
  /** Links into one node, and in a whole workflow. */
  linksPerNode: 1_000,
  links: 50_000,
  /**
   * Characters of a node's id, class name and title; a title is cut. A node that a loop makes as it runs has a longer
   * id, which grows by some characters a round.
   */
  nodeIdLength: 200,
  madeNodeIdLength: 2_000,
  classNameLength: 300,
  titleLength: 200,
  /** Errors of ComfyUI's validation kept with a job, and characters of each. */
  nodeErrors: 100,
  messageLength: 2_000,
  /** Characters of all of a job's validation errors as JSON. */
  nodeErrorsLength: 65_536,
  /** Of a job's outputs: how many are kept, their bytes as JSON, characters of one text, and of all texts together. */
  outputs: 2_000,
  outputsBytes: 512 << 10,
  textLength: 16_384,
  textsLength: 65_536,
  /**
   * States that an instance writes a second: those of 250 jobs four times each, of 1,000 jobs once. A new `status` is
   * written at once.
   */
  writesPerSecond: 1_000,
  /** Bytes of a state as JSON. */
  stateBytes: 1 << 20,
  /** Bytes of a promptId: the embedded store's keys hold no more. */
  promptIdBytes: 1_850,
  /**
   * Bytes of an answer with many jobs, which takes some 2 ms to write as JSON: past that it ends, and says that there
   * are more. It holds at least one job.
   */
  answerBytes: 512 << 10,
  /** Bytes of such an answer that the rate limits count as one more join of a socket, and as one more HTTP request. */
  bytesPerJoin: 16 << 10,
  bytesPerRequest: 64 << 10,
  /** Of one user: lists that are read at a time, and how many more wait. */
  listsAtOnce: 1,
  listsWaiting: 100,
  /** States that are read for one page, even if few of them match, and characters of their JSON. */
  pageReads: 2_000,
  pageReadBytes: 8 << 20,
  /** Files that came over a socket: bytes of one, of all of a job's, and how many a job may have. */
  fileBytes: 32 << 20,
  filesBytes: 128 << 20,
  files: 200,
  /** Bytes of such files that wait for the store, of all jobs of an instance. */
  filesWaitingBytes: 64 << 20,
  /** Characters of such a file's name. */
  fileNameLength: 300,
  /** How many keys with unreadable values are remembered as reported, so that each is reported once. */
  unreadableKeys: 1_000,
  /**
   * A user's unsettled jobs, setting `JOBS_PER_USER`, and bytes of the workflows stored for them as text,
   * before they are packed, setting `WORKFLOW_BYTES_PER_USER`; a user's only workflow may be larger.
   */
  jobsPerUser: 1_000,
  bytesPerUser: 16 << 20,
  /** Nodes of all of a user's unsettled jobs that one instance watches: 1 KB of memory each. */
  nodesPerUser: 60_000,
  /** Places of a server's queue that count for the time to a job's start. */
  queuePlaces: 20_000,
  /**
   * Nodes of other clients' workflows in servers' queues that an instance keeps, 1 KB of memory each; and how many of
   * them it reads at one look, some 2 µs each.
   */
  strangersNodes: 20_000,
  strangersNodesAtOnce: 5_000,
  /** How long a job may take in all by default, ms, trainings excepted; setting `JOB_TIMEOUT_MS`. */
  jobMs: 12 * 3_600_000,
  /** How many cancels an instance passes on to other instances at a time; one more is refused. */
  cancels: 1_000,
  /** How many runs that it no longer follows an instance asks servers to stop at a time. */
  stops: 1_000,
  /** Callers' keys, and webhooks, of unsettled jobs that an instance keeps in memory, in case the store loses them. */
  keys: 10_000,
  hooks: 10_000,
  /** Characters of the workflows that an instance keeps likewise, as they are still to be posted or may run again. */
  keptWorkflowsLength: 8 << 20,
  /** Ends of jobs that an instance keeps likewise, and their characters. */
  keptEnds: 1_000,
  keptEndsLength: 8 << 20,
  /** Characters of a run's id at ComfyUI. */
  runIdLength: 200,
  /** Bytes of `SubmitOnce.key`: LMDB's keys have 1,978. */
  onceKeyBytes: 1_900,
  /** Bytes of `SubmitOnce.body`. */
  onceBodyBytes: 4_096,
  /**
   * Frames of ComfyUI: bytes and values of a text frame, bytes of a text frame past which its socket is closed, bytes
   * of a binary frame. `jsonDepth`: levels of nesting in any JSON of ComfyUI.
   */
  frameBytes: 4 << 20,
  frameValues: 150_000,
  lastFrameBytes: 16 << 20,
  binaryFrameBytes: 64 << 20,
  jsonDepth: 200,
  /** Values of an answer of ComfyUI, a second's reading at worst; and jobs that it lists. */
  answerValues: 2_000_000,
  listedJobs: 20_000,
  /**
   * The time between two progress frames of one job that are read, ms: 25 a second, so that each step of 50 ms is told.
   * `pressedFrameSpaceMs`: while a socket has more than its turn of the event loop takes. `frameWaitMs`: a frame that
   * waits is read after this long without a newer one.
   */
  frameSpaceMs: 40,
  pressedFrameSpaceMs: 160,
  frameWaitMs: 30,
  /** The same while an instance reads more than 5,000 such frames a second: four a second per job. */
  busyReadsPerSecond: 5_000,
  busyFrameSpaceMs: 250,
  busyFrameWaitMs: 100,
  /**
   * The share of the time that reading such frames may take while a socket has more than its turn takes: some thousand
   * states a second, and as much time again for what follows from them.
   */
  readingShare: 0.05,
  /** Jobs of one socket whose frames may wait for a newer one; those of further jobs are read at once. */
  frameLanes: 20_000,
  /** Bytes of one socket's waiting frames; past that, a frame is read as it comes. */
  waitingFramesBytes: 32 << 20,
  /** Bytes of a frame that the frame splitter takes off the connection itself; longer ones go through `ws`. */
  splitFrameBytes: 128 << 10,
  /** Bytes that one socket may bring in one turn of the event loop, before it pauses until the next. */
  turnBytes: 512 << 10,
  /** Characters of an output's file name and of its folder: a file with longer ones is left out. */
  filenameLength: 500,
  /**
   * Nodes that a run made, in loops say, whose progress is kept beside that of the workflow's own: half a KB of memory
   * each. `madeIdsLength`: characters of such a node's id, times the nodes kept before it.
   */
  madeNodes: 4_000,
  madeIdsLength: 400_000,
  /** Bytes of the outputs that frames told of and a run keeps until its end; if there are more, history is read. */
  heldOutputsBytes: 1 << 20,
  /** Jobs whose events are kept before the job is known, and bytes of all those events. */
  earlyJobs: 64,
  earlyBytes: 8 << 20,
  /** Bytes of an output file that the gateway passes on; setting `MAX_OUTPUT_BYTES`. */
  outputBytes: 2 ** 30,
  /** Downloads at a time of one user (setting `DOWNLOADS_PER_USER`), of one ComfyUI; and how many of a user wait. */
  downloadsPerUser: 16,
  downloadsPerServer: 64,
  downloadsWaiting: 100,
  /** How long a download waits for its turn, ms. */
  turnMs: 10_000,
  /** How long an application's own `auth` may take, ms: less than the time in which a socket must show a token. */
  authMs: 8_000,
  /** How long the reader of a download may read nothing, ms; less while another download waits. */
  stallMs: 30_000,
  stallBesideOthersMs: 2_000,
  /** How long an output's signed URL is valid at least, ms. */
  signedUrlMs: 5 * 60_000,
  /** Bytes of a preview: a PNG of noise, 1024 pixels square, has 3.1 MiB. */
  previewBytes: 4 << 20,
  /**
   * A job's previews for watchers at other instances: bytes of one, and how many a second. `announcedAtOnce`: messages
   * of one job under way to them; more are dropped. `announcedJobs`: jobs that an instance knows to be watched there.
   */
  sharedPreviewBytes: 256 << 10,
  sharedPreviewsPerSecond: 5,
  announcedAtOnce: 32,
  announcedJobs: 20_000,
  /** Of a report: metrics, characters of a metric's name and of `stage`, outputs, and characters of one output. */
  metrics: 20,
  metricNameLength: 64,
  stageLength: 100,
  reportedOutputs: 100,
  reportedOutputLength: 2_000,
  /** Reports of one job that an instance takes in a second. */
  reportsPerSecond: 10,
  /** How long a reported job may be without a report, ms: by default, and the least and most that one may ask for. */
  silentMs: 5 * 60_000,
  leastSilentMs: 1_000,
  mostSilentMs: 24 * 3_600_000,
  /** How long the token of a reported job without a deadline is valid, ms. */
  reportTokenMs: 30 * 24 * 3_600_000,
  /** Webhooks that an instance sends at a time: in all, to one host, for one user. */
  webhooks: 50,
  webhooksPerHost: 4,
  webhooksPerUser: 10,
  /** Informational answers (1xx) to one request of ours. */
  interimAnswers: 16,
  /** Bytes of a published key set. */
  keySetBytes: 256 << 10,
  /** Requests of one HTTP connection that wait behind the one being answered. */
  pipelined: 32,
  /** CONNECT packets of one Socket.IO socket, and sockets of one address that have not shown a token yet. */
  connectsPerSocket: 4,
  unknownSocketsPerAddress: 1_000,
  /**
   * Bytes that such a socket may send in all. Of one with a token, bytes a second, whatever is in them: so many, and so
   * many more for each message a second that it may send.
   */
  unknownSocketBytes: 64 << 10,
  socketBytesPerSecond: 64 << 10,
  bytesPerMessage: 1 << 10,
} as const;
