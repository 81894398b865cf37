import { started, step } from '../../job/facts';
import { aBoard } from '../a-board';

describe('a preview', () => {
  test('goes to the job and node that it names', () => {
    const { open, previewed } = aBoard();
    open('a');
    expect(previewed({ promptId: 'a', nodeId: '7' })).toMatchObject([
      { tag: 'preview', preview: { promptId: 'a', nodeId: '7' } },
    ]);
  });

  test('that names none goes to the running job and its node', () => {
    const { open, told, previewed } = aBoard();
    open('a');
    open('b');
    told('b', started, step(1));
    expect(previewed()).toMatchObject([{ preview: { promptId: 'b', nodeId: '2', mimeType: 'image/jpeg' } }]);
  });

  test('[R13] that may be of either of two jobs goes to nobody', () => {
    const { open, told, previewed } = aBoard();
    for (const id of ['a', 'b']) {
      open(id);
      told(id, started, step(1));
    }
    expect(previewed()).toEqual([]);
  });

  test('of no job of ours, or of none that runs, goes nowhere', () => {
    const { open, told, previewed } = aBoard();
    open('a');
    expect(previewed()).toEqual([]);
    expect(previewed({ promptId: 'foreign', nodeId: '1' })).toEqual([]);
    told('a', started, step(1));
    expect(previewed({ clientId: 'other' })).toEqual([]);
  });

  test('before the running node is known goes nowhere', () => {
    const { open, told, previewed } = aBoard();
    open('a');
    told('a', started);
    expect(previewed()).toEqual([]);
  });
});
