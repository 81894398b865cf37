import { context, INVALID_TRACEID, SpanStatusCode, trace, type Attributes, type Span } from '@opentelemetry/api';
import { Observable, type MonoTypeOperatorFunction } from 'rxjs';

const tracer = trace.getTracer('comfyui-jobstream');

/** A span for each subscription; what the source does is within it. Nothing where no OpenTelemetry SDK is registered. */
export const traced =
  <T>(name: string, attributes: Attributes = {}): MonoTypeOperatorFunction<T> =>
  (source$) =>
    new Observable((out) => {
      const span = tracer.startSpan(name, { attributes });
      if (span.spanContext().traceId === INVALID_TRACEID) return source$.subscribe(out);
      out.add(() => span.end());
      const inside = trace.setSpan(context.active(), span);
      out.add(
        context.with(inside, () =>
          source$.subscribe({
            next: (value) => out.next(value),
            error: (error: unknown) => {
              failed(span, error);
              out.error(error);
            },
            complete: () => out.complete(),
          }),
        ),
      );
    });

/** Likewise for a call. What its arguments throw when they are looked at, it rejects with. */
export const tracedCall =
  <A extends readonly unknown[], T>(
    name: string,
    attributesOf: (...given: A) => Attributes,
    call: (...given: A) => Promise<T>,
  ) =>
  async (...given: A): Promise<T> =>
    tracer.startActiveSpan(name, { attributes: attributesOf(...given) }, async (span) => {
      try {
        return await call(...given);
      } catch (error) {
        failed(span, error);
        throw error;
      } finally {
        span.end();
      }
    });

/** By the error's name alone: its message may hold what a user gave. */
function failed(span: Span, error: unknown): void {
  const message = error instanceof Error ? error.name : 'Error';
  span.setStatus({ code: SpanStatusCode.ERROR, message });
  span.setAttribute('error.type', message);
}
