/** Upper bounds of histograms, in seconds. */
export const buckets = {
  /** Requests to other machines. */
  requests: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  /** Calls of the store. */
  store: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  /** From a frame to a socket, and over the feed. */
  delays: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  /** How long a socket was closed, or a take-over took. */
  outages: [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900],
  /** Jobs: pictures take seconds, trainings hours. */
  jobs: [0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600, 7200, 14_400],
};
