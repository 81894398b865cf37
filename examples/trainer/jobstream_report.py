"""Reports a training to comfyui-jobstream. One file, nothing but Python's own library (3.8 or newer).

From any loop:

    from jobstream_report import Reporter

    with Reporter(url, token) as report:            # the answer to POST /jobs has both
        for step in range(1, steps + 1):
            loss = train(step)
            report.step(step, steps, stage="training", metrics={"loss": loss})
            if report.stopped:                       # cancelled, or given up
                break
        else:
            report.completed(["ada.safetensors"])    # names, or http(s) URLs

From Hugging Face's Trainer:

    trainer.add_callback(hugging_face_callback(report))

Whatever raises inside `with` is told as the failure. Reports are sent by a thread, the newest at most twice a second, so
the loop waits for nothing; the end is sent until it is answered, for `patience` seconds.
"""

import http.client
import json
import math
import threading
import time
import urllib.error
import urllib.request

SETTLED = ("completed", "failed")
# What the service says for good: no token, no such job, no job that reports itself.
FINAL = (401, 403, 404, 409)
# A report that it does not take: the training goes on, and the next is sent.
REFUSED = (400, 413, 415)
METRICS = 20
# What a metric's name may hold beside letters and digits, with which it begins.
SIGNS = " ._/@%:()+-"


class Reporter:
    """Tells of one job. `stopped` is true once the job has settled: then the training is to stop. `refused` is what the service last did not take, and why."""

    def __init__(self, url, token=None, every=0.5, beat=30.0, patience=600.0, timeout=10.0):
        """`url`: of the job's reports. Seconds: `every` between reports, `beat` between signs of life, `patience` for the end."""
        self.url, self.token = url, token
        self.every, self.beat, self.patience, self.timeout = every, beat, patience, timeout
        self.job = None
        self.error = None
        self.refused = None
        self._count = 0
        self._next = {}
        self._end = None
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._send_all, name="jobstream-report", daemon=True)
        self._thread.start()

    @property
    def stopped(self):
        """Whether the job has ended, was cancelled, or is one that nobody knows."""
        return self.error is not None or (self.job is not None and self.job.get("status") in SETTLED)

    def step(self, value, max, stage=None, message=None, metrics=None):
        """`value` of `max` steps of the whole training are done. Returns at once; the newest is sent."""
        self._tell(value=value, max=max, stage=stage, message=message, metrics=metrics)

    def stage(self, stage, message=None):
        """What is being done beside the steps: loading, caching latents."""
        self._tell(stage=stage, message=message)

    def completed(self, outputs, metrics=None):
        """It ended well. Returns the job once that is stored; raises what stands against it after `patience`."""
        return self._finish({"outputs": _names(outputs), **_told(metrics=metrics)})

    def failed(self, message, kind="node_error", retryable=False):
        """It failed. `kind`: `node_error`, `out_of_memory`, `interrupted` or `missing_output`."""
        text = (str(message).strip() or "It failed without saying why.")[:2000]
        return self._finish({"failure": {"message": text, "kind": kind, "retryable": retryable}})

    def close(self):
        """Stops sending. A job that was not ended is `timed_out` after a while."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        self._thread.join(self.timeout + 1)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _traceback):
        try:
            if error is not None and self._end is None and not self.stopped:
                self.failed(*_failure_of(error))
        finally:
            self.close()
        return False

    def _tell(self, **fields):
        with self._wake:
            self._next = _merged(self._next, _told(**fields))
            self._wake.notify_all()

    def _finish(self, end):
        with self._wake:
            if self._end is None:
                self._end = end
            self._wake.notify_all()
        self._thread.join(self.patience + self.timeout)
        if self.error is not None:
            raise self.error
        if self.refused is not None and not self.stopped:
            raise RuntimeError(self.refused)
        if self._thread.is_alive() or not self.stopped:
            raise TimeoutError("the end of the training could not be told")
        return self.job

    def _numbered(self, fields):
        # Milliseconds since 1970: greater than before also where the training starts again.
        self._count = max(self._count + 1, int(time.time() * 1000))
        return {"count": self._count, **fields}

    def _send_all(self):
        unsent = {}
        while not self.stopped:
            with self._wake:
                if not self._next and not unsent and self._end is None and not self._closed:
                    self._wake.wait(self.beat)
                if self._closed and self._end is None:
                    return
                unsent = _merged(unsent, self._next)
                self._next = {}
                end = self._end
            if end is not None:
                self._send_end(self._numbered(_merged(unsent, end)))
                return
            waited = self._try(self._numbered(unsent))
            unsent = {} if waited is None else unsent
            with self._wake:
                if self._end is None and not self._closed:
                    self._wake.wait_for(lambda: self._end is not None or self._closed, waited or self.every)

    def _send_end(self, report):
        """The same report again and again: however often it arrives, it counts once."""
        until = time.monotonic() + self.patience
        pause = 0.5
        self.refused = None
        while not self.stopped and time.monotonic() < until:
            waited = self._try(report)
            if waited is None:
                return
            time.sleep(min(max(pause, waited), max(0.0, until - time.monotonic())))
            pause = min(pause * 2, 10.0)

    def _try(self, report):
        """None where it was answered; else how many seconds to wait before it is sent again."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        request = urllib.request.Request(self.url, json.dumps(report).encode(), headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                self.job = json.loads(answer.read())
                return None
        except urllib.error.HTTPError as error:
            if error.code in FINAL + REFUSED:
                why = "the report was refused with %d: %s" % (error.code, _text_of(error))
                if error.code in FINAL:
                    self.error = RuntimeError(why)
                self.refused = why
                return None
            return _seconds(error.headers.get("Retry-After"))
        except (OSError, ValueError, http.client.HTTPException):
            # Not there just now, or no answer of its own: a restart, a network.
            return 1.0


def hugging_face_callback(report):
    """A `TrainerCallback` for transformers' `Trainer`: steps and logs as they come, and stops where the job was cancelled."""
    from transformers import TrainerCallback  # only needed here

    class JobstreamCallback(TrainerCallback):
        def on_train_begin(self, args, state, control, **_):
            report.step(state.global_step, max(1, state.max_steps), stage="training")

        def on_step_end(self, args, state, control, **_):
            report.step(state.global_step, max(1, state.max_steps))
            return self._obeyed(control)

        def on_log(self, args, state, control, logs=None, **_):
            report.step(state.global_step, max(1, state.max_steps), metrics=logs or {})
            return self._obeyed(control)

        def on_evaluate(self, args, state, control, metrics=None, **_):
            report.step(state.global_step, max(1, state.max_steps), stage="evaluating", metrics=metrics or {})

        def on_save(self, args, state, control, **_):
            report.stage("training", "checkpoint at step %d" % state.global_step)

        def _obeyed(self, control):
            control.should_training_stop = control.should_training_stop or report.stopped
            return control

    return JobstreamCallback()


def _told(metrics=None, **fields):
    # What the service would not take is left out: a training is not to suffer for what is told of it.
    told = {}
    for name, length in (("stage", 100), ("message", 2000)):
        if fields.get(name) is not None and str(fields[name]) != "":
            told[name] = str(fields[name])[:length]
    value, most = _number(fields.get("value")), _number(fields.get("max"))
    if value is not None and most is not None and 0 < most <= 1e12:
        told["value"], told["max"] = min(max(value, 0), most), most
    # JSON has no NaN: a loss that is none is left out. Tensors of one number are numbers.
    numbers = {str(name)[:64]: _number(value) for name, value in (metrics or {}).items()}
    finite = {name: value for name, value in numbers.items() if value is not None and _is_name(name)}
    if finite:
        told["metrics"] = dict(list(finite.items())[:METRICS])
    return told


def _merged(before, now):
    metrics = {**before.get("metrics", {}), **now.get("metrics", {})}
    both = {**before, **now}
    return {**both, "metrics": dict(list(metrics.items())[-METRICS:])} if metrics else both


def _names(outputs):
    names = ("".join(c if c.isprintable() else "_" for c in str(each))[:2000] for each in outputs)
    return [name for name in names if name][:100]


def _text_of(error):
    try:
        return error.read(2000).decode("utf-8", "replace")
    except (OSError, ValueError, http.client.HTTPException):
        return ""


def _is_name(text):
    return text[:1].isalnum() and all(each.isalnum() or each in SIGNS for each in text)


def _number(value):
    try:
        number = value if isinstance(value, int) and not isinstance(value, bool) else float(value)
        return number if math.isfinite(number) else None
    except (TypeError, ValueError, OverflowError):
        return None


def _seconds(retry_after):
    try:
        return min(10.0, max(0.5, float(retry_after)))
    except (TypeError, ValueError):
        return 1.0


def _failure_of(error):
    text = "%s: %s" % (type(error).__name__, error)
    if isinstance(error, KeyboardInterrupt):
        return "Stopped by hand.", "interrupted", True
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return text, "out_of_memory", True
    return text, "node_error", False
