import { currentToken } from './api.js';

const SHOWN_TYPES = ['image/jpeg', 'image/png', 'image/webp'];

/** Live states of all jobs, and previews of those that are followed, over one socket that reconnects by itself. */
export function liveJobs({ onState, onPreview, onLink, onWatching, onUnauthorized }) {
  const socket = io({ transports: ['websocket'], auth: (answer) => answer({ token: currentToken() }) });
  const followed = new Set();
  let watching = false;

  const join = (promptId) => {
    socket.timeout(10_000).emit('job:join', promptId, (failure, reply) => {
      if (reply?.ok) onState(reply.job);
      else followed.delete(promptId);
    });
  };
  /** From the answer on, every change comes by itself. */
  const watch = () => {
    socket.timeout(10_000).emit('jobs:watch', (failure, reply) => {
      if (!reply?.ok) return;
      watching = true;
      reply.jobs.forEach(onState);
      onWatching();
    });
  };
  socket.on('connect', () => {
    onLink('live');
    watch();
    followed.forEach(join);
  });
  socket.on('disconnect', () => {
    watching = false;
    onLink('lost');
  });
  socket.on('connect_error', (error) => {
    onLink('lost');
    if (error.data?.code === 'unauthorized') onUnauthorized();
  });
  socket.on('job:state', onState);
  socket.on('job:preview', ({ promptId, mimeType }, image) => {
    if (SHOWN_TYPES.includes(mimeType)) onPreview(promptId, new Blob([image], { type: mimeType }));
  });

  return {
    /** Whether every change comes by itself just now. */
    isWatching: () => watching,
    /** Follows exactly these jobs. */
    follow(promptIds) {
      for (const promptId of followed) {
        if (promptIds.has(promptId)) continue;
        followed.delete(promptId);
        socket.emit('job:leave', promptId);
      }
      for (const promptId of promptIds) {
        if (followed.has(promptId)) continue;
        followed.add(promptId);
        if (socket.connected) join(promptId);
      }
    },
    /** Tries again, with the token there is now. */
    reconnect: () => socket.disconnect().connect(),
  };
}
