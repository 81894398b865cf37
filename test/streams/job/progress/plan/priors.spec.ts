import { byName, sureOf, totalMs } from '../../../../../streams/job/progress/plan/expected';
import { planOf } from '../../../../../streams/job/progress/plan/plan';
import { graph } from '../a-run';

const guessMs = (type: string, inputs: Readonly<Record<string, unknown>> = {}): number =>
  totalMs(byName(planOf(graph({ '1': [type, inputs] })).nodes.get('1')!));

test.each([
  'SeedVR2VideoUpscaler',
  'IntrinsicLora_sampling',
  'WanImageToVideo',
  'InterpolateFrames',
  'LatentSyncNode',
  'MaskedVideoInpaint',
  'KlingImage2VideoNode',
  'OpenAIGPTImage1',
  'FluxProImageNode',
  'SUPIR_sample',
  'TrainLoraNode',
  'easy fullkSampler',
])('%s is guessed to take seconds, or minutes', (type) => expect(guessMs(type)).toBeGreaterThanOrEqual(4_000));

test.each([
  'Seed (rgthree)',
  'PrimitiveInt',
  'StringConcatenate',
  'SamplerDPMPP_2M_SDE',
  'SamplerEulerAncestral',
  'ModelSamplingFlux',
  'ConstrainImage|pysssss',
  'LTXVLatentUpsampler',
  'SetLatentNoiseMask',
  'BasicScheduler',
  'ImageScale',
])('%s is guessed to take next to nothing', (type) => expect(guessMs(type)).toBeLessThan(50));

test.each(['IndexTTS2Run', 'F5TTSAudioInputs', 'ChatterboxTTS', 'VAEDecodeHunyuan3D'])(
  '%s is guessed to take ten seconds or more',
  (type) => expect(guessMs(type)).toBeGreaterThanOrEqual(10_000),
);

test('a video is guessed to take longer to decode tile by tile than a picture', () => {
  const decoding = (inputs: Readonly<Record<string, unknown>>): number => guessMs('VAEDecodeTiled', inputs);
  expect(decoding({ length: 81 })).toBe(decoding({}));
  const behind = planOf(
    graph({ '1': ['VAEDecodeTiled', { samples: ['2', 0] }], '2': ['EmptyLatent', { length: 81 }] }),
  );
  expect(totalMs(byName(behind.nodes.get('1')!))).toBeGreaterThan(2 * decoding({}));
});

test.each(['KSampler', 'KSamplerAdvanced', 'SamplerCustomAdvanced', 'WanVideoSampler'])('%s counts steps', (type) =>
  expect(guessMs(type, { steps: 20 })).toBeGreaterThan(2 * guessMs(type, { steps: 2 })),
);

test('a node that nobody knows takes as long for its steps in all, however many it declares', () => {
  expect(guessMs('AcmeThing', { steps: 10 })).toBe(guessMs('AcmeThing', { steps: 40 }));
  expect(guessMs('AcmeThing', { steps: 10 })).toBe(1_000);
});

test('what prepares a training, or stores it, makes none of its steps', () => {
  expect(guessMs('InitFluxLoRATraining', { max_train_steps: 3_000 })).toBeLessThan(60_000);
  expect(guessMs('FluxTrainSave')).toBeLessThan(5_000);
  expect(guessMs('FluxTrainLoop', { steps: 3_000 })).toBeGreaterThan(600_000);
});

test('all that a node takes is what comes before and after its steps, its steps, and its further bars', () => {
  const later = [{ steps: 3, rounds: 1, ms: 30 }];
  expect(totalMs({ fixedMs: 1, stepMs: 10, steps: 4, rounds: 2, afterMs: 5, later, alone: 1, trust: 0 })).toBe(116);
});

test('a node that has a model is not guessed to take nothing', () =>
  expect(guessMs('ImageSharpen', { model: ['2', 0] })).toBeGreaterThan(100));

test('a detailer counts once for each face it finds, nobody knows how many: its rounds tell no time', () => {
  const detailer = byName(planOf(graph({ '1': ['FaceDetailer', { steps: 20 }] })).nodes.get('1')!);
  expect(detailer.rounds).toBe(2);
  expect(sureOf(detailer)).toBe(0);
});
