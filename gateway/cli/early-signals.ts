import { leaveAtOnce } from './leaving';

// Imported before the libraries, which take half a second to load. The kernel gives process 1 of a container no signal
// that it does not listen to: one that came before `onSignal` was lost, and the container ran until it was killed.
if (process.pid === 1) process.on('SIGTERM', leaveAtOnce).on('SIGINT', leaveAtOnce);
