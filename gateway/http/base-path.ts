import type { IncomingMessage, Server } from 'node:http';
import type { RequestHandler, Response } from 'express';

/**
 * Takes the base path off the URL of each request and upgrade. Requests without it are served too, because some proxies
 * take it off before they pass a request on. Call it last: its listeners must run before all others.
 */
export function serveUnder(basePath: string, http: Server): void {
  if (basePath === '') return;
  const strip = (request: IncomingMessage): void => {
    const url = request.url ?? '/';
    if (!url.startsWith(`${basePath}/`)) return;
    asked.set(request, url);
    request.url = url.slice(basePath.length);
  };
  http.prependListener('request', strip).prependListener('upgrade', strip);
}

/**
 * The URL of each request before the base path came off: `/jobs/jobs` under `/jobs` is left as `/jobs`, like the base
 * path.
 */
const asked = new WeakMap<IncomingMessage, string>();

/** The URL that the caller asked for, with the base path. */
export const askedUrl = (request: IncomingMessage): string => asked.get(request) ?? request.url ?? '/';

/** A valid `X-Forwarded-Prefix`, the path that a proxy of ours took off. */
const FORWARDED = /^(\/[\w.~-]+){1,10}\/?$/;

/**
 * Keeps the path under which the caller sees the gateway in `response.locals.prefix`, and redirects (308) the base path
 * without an end slash to the dashboard.
 */
export const underBase =
  (basePath: string, proxies: number): RequestHandler =>
  (request, response, next) => {
    const forwarded = proxies > 0 && basePath === '' ? request.get('X-Forwarded-Prefix') : undefined;
    const isPath = forwarded !== undefined && forwarded.length <= 200 && FORWARDED.test(forwarded);
    response.locals['prefix'] = isPath ? forwarded.replace(/\/$/, '') : basePath;
    if (basePath !== '' && askedUrl(request).split('?', 1)[0] === basePath) response.redirect(308, `${basePath}/`);
    else next();
  };

/** The prefix of paths in answers to this caller; empty at the root. */
export const prefixOf = ({ locals }: Pick<Response, 'locals'>): string => {
  const { prefix } = locals as { readonly prefix?: unknown };
  return typeof prefix === 'string' ? prefix : '';
};

/** A base path without its end slash, the root as ''; `undefined` if the text is no valid base path. */
export const pathPrefix = (text: string): string | undefined =>
  text.length <= 200 && /^\/?$|^(\/[\w.~-]+)+\/?$/.test(text) && !/\/\.{1,2}(\/|$)/.test(text)
    ? text.replace(/\/$/, '')
    : undefined;
