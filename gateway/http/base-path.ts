import type { IncomingMessage, Server } from 'node:http';
import type { RequestHandler, Response } from 'express';

/**
 * Serves all that stands under a path, sockets too, as if it stood at the root. Some proxies take the path off before they
 * pass a request on, so the root itself is served as well. To be called when all else listens already.
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

/** What was asked for before the path was taken off: of `/jobs/jobs` under `/jobs` there is left what reads as the path itself. */
const asked = new WeakMap<IncomingMessage, string>();

/** The URL of a request as it came. */
export const askedUrl = (request: IncomingMessage): string => asked.get(request) ?? request.url ?? '/';

/** What a proxy that is ours may say of the path that it took off. */
const FORWARDED = /^(\/[\w.~-]+){1,10}\/?$/;

/** Remembers under which path the caller sees the gateway, and sends who forgot its slash to the dashboard. */
export const underBase =
  (basePath: string, proxies: number): RequestHandler =>
  (request, response, next) => {
    const forwarded = proxies > 0 && basePath === '' ? request.get('X-Forwarded-Prefix') : undefined;
    const isPath = forwarded !== undefined && forwarded.length <= 200 && FORWARDED.test(forwarded);
    response.locals['prefix'] = isPath ? forwarded.replace(/\/$/, '') : basePath;
    if (basePath !== '' && askedUrl(request).split('?', 1)[0] === basePath) response.redirect(308, `${basePath}/`);
    else next();
  };

/** What paths begin with that the caller is told; empty at the root. */
export const prefixOf = ({ locals }: Pick<Response, 'locals'>): string => {
  const { prefix } = locals as { readonly prefix?: unknown };
  return typeof prefix === 'string' ? prefix : '';
};

/** A path without an end slash, the root being empty; `undefined` where the text is none that all paths could begin with. */
export const pathPrefix = (text: string): string | undefined =>
  text.length <= 200 && /^\/?$|^(\/[\w.~-]+)+\/?$/.test(text) && !/\/\.{1,2}(\/|$)/.test(text)
    ? text.replace(/\/$/, '')
    : undefined;
