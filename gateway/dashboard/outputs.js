import { outputOf } from './api.js';
import { byId, element } from './dom.js';

const MOST_TILES = 8;
const THUMBNAIL_PX = 192;
const KINDS = {
  image: /\.(png|jpe?g|webp|gif|avif|bmp)$/i,
  video: /\.(mp4|webm|mov)$/i,
  audio: /\.(mp3|wav|flac|ogg|opus)$/i,
};

/** A job's outputs as tiles, fetched when they come into sight. */
export function outputTiles({ promptId, outputs }) {
  const tiles = outputs.slice(0, MOST_TILES).map((output, n) => tileOf(promptId, output, n));
  const rest = outputs.length - tiles.length;
  return rest > 0 ? [...tiles, element('span', { class: 'rest' }, `+${rest}`)] : tiles;
}

function tileOf(promptId, { filename }, n) {
  const kind = Object.keys(KINDS).find((name) => KINDS[name].test(filename)) ?? 'file';
  const tile = element('button', { class: 'tile', type: 'button', 'data-kind': kind, title: filename });
  const missing = () => {
    tile.classList.add('missing');
    tile.replaceChildren(element('span', {}, 'not there'));
  };
  // Fetched and not linked: an <img> could not send the token.
  const load = () => outputOf(promptId, n);
  if (kind === 'image')
    whenSeen(tile, () =>
      load()
        .then(thumbnail)
        .then((small) => tile.replaceChildren(small))
        .catch(missing),
    );
  else tile.append(element('span', { class: 'kind' }, extensionOf(filename)), element('span', {}, filename));
  tile.addEventListener('click', () => load().then((blob) => open(kind, filename, blob), missing));
  return tile;
}

/** A small drawing of an image, so that a long list does not keep hundreds of whole ones. */
async function thumbnail(blob) {
  const bitmap = await createImageBitmap(blob, { resizeHeight: THUMBNAIL_PX, resizeQuality: 'high' });
  const canvas = element('canvas', { width: bitmap.width, height: bitmap.height });
  canvas.getContext('2d').drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas;
}

function open(kind, filename, blob) {
  const url = URL.createObjectURL(blob);
  const stage = {
    image: () => element('img', { src: url, alt: filename }),
    video: () => element('video', { src: url, controls: '', autoplay: '', loop: '' }),
    audio: () => element('audio', { src: url, controls: '' }),
    file: () => element('p', {}, 'A browser cannot show this kind of file.'),
  };
  byId('viewer-stage').replaceChildren(stage[kind]());
  byId('viewer-name').textContent = filename;
  Object.assign(byId('viewer-save'), { href: url, download: filename });
  byId('viewer').showModal();
  byId('viewer').addEventListener('close', () => URL.revokeObjectURL(url), { once: true });
}

byId('viewer').addEventListener(
  'click',
  ({ target, currentTarget }) => target === currentTarget && currentTarget.close(),
);
byId('viewer').addEventListener('close', () => byId('viewer-stage').replaceChildren());

const sight = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      sight.unobserve(target);
      target.dispatchEvent(new Event('seen'));
    }
  },
  { rootMargin: '400px' },
);

function whenSeen(place, then) {
  place.addEventListener('seen', then, { once: true });
  sight.observe(place);
}

const extensionOf = (filename) => /\.([a-z0-9]{1,12})$/i.exec(filename)?.[1] ?? 'file';
