export { prometheusMetrics, type Metrics, type MetricsOptions } from './prometheus-metrics';
