/** No usable answer: refused, timed out, cut off, 5xx, 429, HTML, too large. Never evidence about a job (R4). */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  constructor(
    message: string,
    /** Whether the request may have reached ComfyUI all the same. */
    readonly maybeSent: boolean,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

/**
 * The server answered, but what it said cannot be read: no JSON, nested too deep, too large, or not ComfyUI's. No
 * outage: other requests go on, and after a few of these a job settles.
 */
export class Unreadable extends NoAnswer {}
/** The server answered with more than there is time to read now. That says nothing of a job (R4): asked later, it is read. */
export class Unread extends Unreadable {}
/** The request was not sent: the server has not been answering, or asked with a 429 to be left alone. */
export class NotAsked extends NoAnswer {}
/** The request was given up before its last piece was sent: the server has not got it, and is not to blame. */
export class Withheld extends NotAsked {}
/** A proxy refuses the request for good, with an HTML page or a redirect: asked again, it says the same. */
export class Refusal extends NoAnswer {
  constructor(
    message: string,
    readonly status: number,
    /** Where a redirect leads. */
    readonly location: string | undefined,
  ) {
    super(`${message} with status ${status}${location === undefined ? '' : ` to ${location}`}`, true);
  }
}
