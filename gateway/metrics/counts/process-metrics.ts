import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';

/** The process: Node's own metrics, its event loop's lag among them, and which build it is. */
export function processMetrics(registry: Registry, version: string): void {
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'jobstream_build_info',
    help: '1; the version of comfyui-jobstream and of Node as labels.',
    labelNames: ['version', 'node'],
    registers: [registry],
  }).set({ version, node: process.version }, 1);
}
