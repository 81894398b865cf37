const TRACEBACK = /\s*(Traceback \(most recent call last\)|File "[^"]*", line \d+)[\s\S]*$/;
const CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi;
const SECRET =
  /\b(authorization|bearer|api[-_]?key|token|password|secret)(["']?\s*[:=]\s*["']?|\s+)(?=\S*\d)[^\s"',;&]{8,}/gi;
const PATH = /(?<![\w:/.])(?:[a-z]:[\\/]|\\\\|~?\/)(?:[^\s"'<>|:*?,;()[\]\\/]+[\\/])+([^\s"'<>|:*?,;()[\]\\/]*)/gi;

/** A text fit for a browser: no traceback, no secret, and of an absolute path the last name only. A second line of defence: sources write such texts without them. */
export const scrubbed = (text: string): string =>
  text.replace(TRACEBACK, '').replace(CREDENTIALS, '$1').replace(SECRET, '$1$2…').replace(PATH, '$1');
