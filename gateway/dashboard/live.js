import { currentToken } from './api.js';

const SHOWN_TYPES = ['image/jpeg', 'image/png', 'image/webp'];

/** Live states and previews of the jobs that are followed, over one socket that reconnects by itself. */
export function liveJobs({ onState, onPreview, onLink, onUnauthorized }) {
  const socket = io({ transports: ['websocket'], auth: (answer) => answer({ token: currentToken() }) });
  const followed = new Set();

  const join = (promptId) => {
    socket.timeout(10_000).emit('job:join', promptId, (failure, reply) => {
      if (reply?.ok) onState(reply.job);
      else followed.delete(promptId);
    });
  };
  socket.on('connect', () => {
    onLink('live');
    followed.forEach(join);
  });
  socket.on('disconnect', () => onLink('lost'));
  socket.on('connect_error', (error) => {
    onLink('lost');
    if (error.data?.code === 'unauthorized') onUnauthorized();
  });
  socket.on('job:state', onState);
  socket.on('job:preview', ({ promptId, mimeType }, image) => {
    if (SHOWN_TYPES.includes(mimeType)) onPreview(promptId, new Blob([image], { type: mimeType }));
  });

  return {
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
