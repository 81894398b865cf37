/** Upper bounds of histograms, in seconds. */
export const buckets = {
  /** Between a thing and its answer on one network. */
  requests: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  /** A store's answers. */
  store: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  /** From a frame to a socket, a feed's delay. */
  delays: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  /** How long something was away. */
  outages: [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900],
  /** Pictures take seconds, trainings hours. */
  jobs: [0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600, 7200, 14_400],
};
