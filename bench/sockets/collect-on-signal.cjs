// Loaded into a process whose memory is measured: collects garbage on SIGUSR2.
require('node:v8').setFlagsFromString('--expose-gc');
const collect = require('node:vm').runInNewContext('gc');
process.on('SIGUSR2', () => collect());
