import { useEffect, useState } from 'preact/hooks';

/** The window's scroll position and height, updated once per animation frame. */
export function useViewport(): { readonly scrollY: number; readonly height: number } {
  const read = () => ({ scrollY, height: innerHeight });
  const [viewport, setViewport] = useState(read);
  useEffect(() => {
    let frame = 0;
    const later = (): void => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        setViewport(read());
      });
    };
    addEventListener('scroll', later, { passive: true });
    addEventListener('resize', later);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('scroll', later);
      removeEventListener('resize', later);
    };
  }, []);
  return viewport;
}

/** Whether the window is as narrow as a phone. */
export function useNarrow(): boolean {
  const query = matchMedia('(max-width: 47.9rem)');
  const [narrow, setNarrow] = useState(query.matches);
  useEffect(() => {
    const change = (): void => setNarrow(query.matches);
    query.addEventListener('change', change);
    return () => query.removeEventListener('change', change);
  }, []);
  return narrow;
}
