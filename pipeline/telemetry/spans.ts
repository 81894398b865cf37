import { context, INVALID_TRACEID, SpanStatusCode, trace, type Attributes, type Span } from '@opentelemetry/api';
import { Observable, type MonoTypeOperatorFunction } from 'rxjs';

const tracer = trace.getTracer('comfyui-jobstream');

/**
 * Makes a span of each subscription, with the source's own spans inside. Does nothing if no OpenTelemetry SDK is
 * registered.
 */
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

/** Makes a span of each call. Rejects as `call` does, and with what `attributesOf` throws. */
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

/** Marks a span as failed, with the error's name only: its message may hold a user's data (R13). */
function failed(span: Span, error: unknown): void {
  const message = error instanceof Error ? error.name : 'Error';
  span.setStatus({ code: SpanStatusCode.ERROR, message });
  span.setAttribute('error.type', message);
}
