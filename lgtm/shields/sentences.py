"""What an operator reads of an error: its host and its message, and no traceback."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lgtm.model.errors import LgtmError
from lgtm.model.run import RUN
from lgtm.report import terminal
from lgtm.shields.patch import around, cli_errors, context


def say(sentence: object, host: Any = None) -> None:
    """Print an error message, and keep it in the record of the run."""
    RUN.record.sentences.append(str(sentence))
    if host is None:  # pyinfra's `host` has no truth value
        terminal.error(str(sentence))
    else:
        terminal.error(str(sentence), host.name, host.print_prefix_padding)


def errors_are_sentences() -> None:
    """Whatever deploy code raises is shown as a traceback, with exit code 1: the sentence in it is lost."""

    def remember(original: Any, self: Any, error: BaseException, *args: Any) -> None:
        original(self, error, *args)
        while not isinstance(error, LgtmError) and isinstance(getattr(error, "exception", None), Exception):
            error = error.exception  # type: ignore[attr-defined]  # a file that includes a file is wrapped twice
        if isinstance(error, LgtmError):
            self.sentence, self.host = error, context.ctx_host.get()
            RUN.ends_with(error.exit_code)
            self.exit_code = RUN.exit_code

    def show(original: Any, self: Any, file: Any = None) -> None:
        if hasattr(self, "sentence"):
            say(self.sentence, self.host)
        else:
            original(self, file)

    hub = import_module("gevent.hub").Hub
    hub.NOT_ERROR = (*hub.NOT_ERROR, LgtmError)  # what a greenlet raises is printed, too, by gevent
    for wrapper in (cli_errors.UnexpectedExternalError, cli_errors.UnexpectedInternalError):
        around(wrapper, "__init__")(remember)
        around(wrapper, "show")(show)
