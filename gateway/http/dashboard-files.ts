import { join } from 'node:path';
import express, { type RequestHandler } from 'express';

/** Built next to its sources, and copied to the same place below `dist/`. */
const FOLDER = join(__dirname, '../dashboard/dist');

/** The dashboard's files. Those in `assets/` are named by their content, so they may be kept for good. */
export const dashboardFiles = (): RequestHandler =>
  express.static(FOLDER, {
    redirect: false,
    setHeaders: (response, path) => {
      if (path.startsWith(join(FOLDER, 'assets/')))
        response.set('Cache-Control', 'public, max-age=31536000, immutable');
    },
  });
