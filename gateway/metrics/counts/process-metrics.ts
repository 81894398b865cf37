import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';

/** Adds Node's own metrics, such as the event loop's lag, and the versions of this package and of Node. */
export function processMetrics(registry: Registry, version: string): void {
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'jobstream_build_info',
    help: '1; the version of comfyui-jobstream and of Node as labels.',
    labelNames: ['version', 'node'],
    registers: [registry],
  }).set({ version, node: process.version }, 1);
}
