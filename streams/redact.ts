/** A text is cut to this length before it is searched, characters. */
const LONGEST = 16_384;

/** Names whose value is a secret; `KEYISH` also has names whose value may be one. */
const SECRET_NAME =
  '(?:api|access|secret|private|account|signing|encryption|license|subscription)[-_ ]?key(?:[-_ ]?id)?|' +
  'secret|passw(?:or)?d|passwd|passphrase|pwd|credentials?|authorization|' +
  '(?:access|auth|refresh|id|session|bearer|api|client|csrf|xsrf|hf|hub|bot)[-_ ]?token|' +
  'client[-_ ]?secret|session[-_ ]?id|sessionid|(?:set-)?cookie|connection[-_ ]?string';
const KEYISH = new RegExp(`(?:${SECRET_NAME}|token|bearer|\\bkeys?\\b|[-_]key\\b|apikey|auth|login|signature)`, 'i');

type Rule = readonly [pattern: RegExp, put: string | ((...groups: string[]) => string)];

/** Each pattern takes linear time: its repetitions are bounded, or cannot match what may follow them. */
const RULES: readonly Rule[] = [
  // Tracebacks, and keys in PEM format.
  [/(?:Traceback \(most recent call last\)|File "[^"\n]*", line \d+)[\s\S]*$/, ''],
  [/-----BEGIN [A-Z0-9 ]{1,40}-----[\s\S]*?(?:-----END [A-Z0-9 ]{1,40}-----|$)/g, '…'],
  // Credentials in URLs; the host stays. A password may hold an @.
  [/\b([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/?#"'<>]*@/gi, '$1'],
  // Tokens recognised by their shape alone: JWTs, vendors' prefixes.
  [/\beyJ[\w-]{5,}(?:\.[\w-]*){1,4}/g, '…'],
  [/\b[sr]k[-_](?=[\w-]*\d)[\w-]{6,}|\bsk-[\w-]{16,}|\b(?:pk|sk|rk)_(?:live|test)_\w{8,}/g, '…'],
  [/\bhf_(?:(?=[A-Za-z]*\d)[A-Za-z0-9]{6,}|[A-Za-z]{20,})/g, '…'],
  [
    /\b(?:gh[a-z]_|github_pat_|glpat-|npm_|pypi-|dop_v1_|shpat_|whsec_|r8_|gsk_|pplx-|comfyui-|civitai-|tvly-)[\w-]{16,}/g,
    '…',
  ],
  [/\b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{12,}/g, '…'],
  [/\b(?:AIza|ya29\.)[\w-]{16,}|\bxox[a-z]-[\w-]{8,}|\bxapp-[\w-]{8,}|\bSG\.[\w-]{16,}\.[\w-]{16,}/g, '…'],
  [/\b[0-9a-f]{8}-[0-9a-f-]{27}:[0-9a-f]{16,}\b/gi, '…'],
  // Headers.
  [
    /\b(authorization["']?\s{0,3}[:=]\s{0,3}["']?(?:(?:basic|bearer|digest|token|apikey|key)\s{1,3})?)[^\s"',;]+/gi,
    '$1…',
  ],
  [/\b((?:set-)?cookie["']?\s{0,3}[:=]\s{0,3})[^\n"']+/gi, '$1…'],
  [/\b(bearer\s{1,3})(?=[^\s"',;]*\d)[^\s"',;]{6,}/gi, '$1…'],
  [/\b([Bb]asic\s{1,3})((?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*[a-z])[A-Za-z0-9+/]{8,}={0,2})/g, '$1…'],
  [/(\s(?:-u|--user)[ =])[^\s:]+:\S+/g, '$1…'],
  // In a query string the value of anything named a key is removed.
  [
    /([?&;](?:[\w.-]{0,40}[-_.])?(?:key|apikey|token|secret|sig|signature|password|passwd|pwd|pass|auth|authorization|credential|code|session|jwt|sas)=)[^\s&#"'<>]+/gi,
    '$1…',
  ],
  // After the name of a secret any value is removed; after `token` and `key` only a value that looks like one.
  [
    new RegExp(
      `((?:${SECRET_NAME})(?:[-_][A-Za-z0-9]{1,20}){0,2}["']?\\s{0,3}(?:[:=]|\\bis\\b)\\s{0,3})(["']?)([^\\s"',;&)}\\]]{3,})`,
      'gi',
    ),
    (whole, name, quote, value) =>
      isPlainWord(value) && !/[-_=]|[A-Z]{4}/.test(name) && quote === '' ? whole : `${name}${quote}…`,
  ],
  [
    /((?:token|[-_]key|\bkey|apikey)["']?\s{0,3}[:=]\s{0,3}["']?)([\w+/.=~-]{6,})/gi,
    (whole, name, value) => (isTokenLike(value, name.includes('=')) ? `${name}…` : whole),
  ],
];

/** Long runs of characters: removed if a word in the `BESIDE` characters before says that they are a secret. */
const RUN = /[\w+/=-]{12,}/g;
const BESIDE = 60;

/** Absolute paths, also with spaces in folders' names; `$2` is the last name, which stays. */
const SEGMENT = `[^\\s"'<>|*?\\\\/:]+(?: [^\\s"'<>|*?\\\\/:,;]+){0,3}`;
const NAME = `([^\\s"'<>|*?,;()\\[\\]\\\\/:]*)`;
const PATHS: readonly RegExp[] = [
  // In quotes the whole text is the path.
  /(?<=(["'`]))(?:file:\/\/\/?|[a-z]:[\\/]|\\\\|~?\/)(?:[^"'`\n\\/]+[\\/]+)+([^"'`\n\\/]*)(?=\1)/gi,
  new RegExp(`(?<![\\w/.\\]])(?:file:\\/\\/\\/?)(?:[a-z]:[\\\\/])?()(?:${SEGMENT}[\\\\/]+)+${NAME}`, 'gi'),
  new RegExp(`(?<![\\w])(?:[a-z]:[\\\\/]+|\\\\\\\\+)()(?:${SEGMENT}[\\\\/]+)*${NAME}`, 'gi'),
  new RegExp(`(?<![\\w/.\\]~])~?\\/()(?!\\/)(?:${SEGMENT}\\/+)+${NAME}`, 'g'),
];

/**
 * Removes from a text what no browser may get (R13): tracebacks, secrets, and of an absolute path all but the last
 * name. Hosts of URLs stay, and so do long words that no word beside them calls a secret. A second line of defence:
 * sources leave these things out already.
 */
export function redact(text: string): string {
  const whole = text.slice(0, LONGEST);
  const kept = RULES.reduce((left, [pattern, put]) => left.replace(pattern, put as string), whole);
  const named = kept.replace(RUN, (run, at: number) => (isBetrayed(kept, run, at) ? '…' : run));
  const bare = PATHS.reduce((left, pattern) => left.replace(pattern, '$2'), named);
  return bare.length < text.length ? bare.trimEnd() : bare;
}

/** Whether a run looks like a token, and a word before it says that it is one. */
const isBetrayed = (text: string, run: string, at: number): boolean =>
  isTokenLike(run, false) && KEYISH.test(text.slice(Math.max(0, at - BESIDE), at));

/** Whether a value is an ordinary word, as in “password: wrong”. */
const isPlainWord = (value: string): boolean => /^[A-Za-z][a-z]*[.!?]?$/.test(value) && value.length <= 12;

/** Whether letters and digits are mixed as in no name; after `=`, 8 characters with a digit are enough. */
function isTokenLike(value: string, isAssigned: boolean): boolean {
  if (/\.(?:safetensors|ckpt|pth?|bin|gguf|sft|png|jpe?g|webp|mp4|json|py|yaml)$/i.test(value)) return false;
  if (isAssigned && value.length >= 8 && /\d/.test(value)) return true;
  if (/^[A-Za-z0-9+/]{16,}={0,2}$/.test(value) && /\d/.test(value) && /[A-Za-z]/.test(value)) return true;
  const letters = value.replace(/[^A-Za-z0-9]/g, '');
  if (letters.length < 12) return false;
  if (/^[0-9]+$/.test(letters)) return false;
  const turns = (letters.match(/[a-z][A-Z0-9]|[A-Z]{2}[a-z]|[0-9][A-Za-z]|[A-Z][0-9]/g) ?? []).length;
  return turns >= 4 && turns * 8 >= letters.length;
}
