"""Procore's side of events: the hook that delivers them, what it is told of, and what it could not deliver.

One hook of the company, known by its name space and its address, with one trigger for each change that the settings' entities
need. What is wanted is compared with what is there, and only the difference is made: a second time there is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import requests

from include.financials.exceptions import ConfigurationError, ContractBroken, OutcomeUnknown, Refused
from include.financials.ledger.inbox import Inbox
from include.financials.port import System
from include.financials.settings import Settings
from include.procore.client import ProcoreClient
from include.procore.events import RESOURCES, event_of
from include.procore.resources import DELIVERIES, HOOKS, TRIGGERS, WEBHOOK_RESOURCES, Resource
from include.procore.sessions import Bearer
from include.procore.system import ProcoreSystem

NAMESPACE = "procore-erp-sync"
VERSION = "v3.0"
"""Of the payloads: the one that tells who made a change, and of a line also what it belongs to."""
LOOK_BACK = timedelta(days=7)
"""Events given up longer ago than this are not asked for any more: every scheduled run since has looked at everything."""
DISCARDED = "discarded"
"""Procore's word for a delivery that it has given up after twelve hours."""
PROBE_SECONDS = 10.0

Trigger = tuple[str, str]
"""Name of a resource and type of event: ``("Work Order Contracts", "update")``."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where events are to go: ``address`` of the receiver as Procore can reach it, ``tokens`` that it takes, the newest last."""

    address: str
    tokens: tuple[str, ...] = field(repr=False)

    @property
    def authorization(self) -> str:
        """The header's value with the newest token."""
        return f"Bearer {self.tokens[-1]}"

    def takes(self, shown: str) -> bool:
        """Whether a header that Procore shows, all but its last five characters hidden, may be one of ours."""
        return any(_same(shown, f"Bearer {token}") for token in self.tokens)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. ``hook``: ours as Procore shows it, None where it is to be made; ``token``: its header is to be
    replaced; ``remarks``: what only a person can do, one sentence each."""

    receiver: Receiver
    hook: Mapping[str, Any] | None
    token: bool
    add: tuple[Trigger, ...]
    remove: tuple[Trigger, ...]
    remarks: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        return not (self.token or self.add or self.remove)

    def lines(self) -> list[str]:
        """The plan for a person, one line for each change."""
        found = [] if self.hook or not self.add else [f"+ hook {NAMESPACE} to {self.receiver.address}"]
        found += ["~ the hook's token, which is none of the connection's"] if self.token else []
        found += [f"+ {resource}: {action}" for resource, action in self.add]
        found += [f"- {resource}: {action}" for resource, action in self.remove]
        return [*(found or ["nothing to do"]), *self.remarks]


class Webhooks:
    """Hooks and triggers of one company, through API v2.0 (docs/procore-contract.md 7.2).

    All methods raise what :class:`ProcoreClient` raises: NotPermitted without the permission *Webhooks API*, RetryLater when
    Procore is away, OutcomeUnknown where a change was not answered (repeat the command: it looks first).
    """

    def __init__(self, client: ProcoreClient, receiver: Receiver) -> None:
        self.client = client
        self.receiver = receiver

    @classmethod
    def of(cls, system: System, receiver: Receiver) -> Webhooks:
        """Of the company that a run's Procore is. Raises ContractBroken for another system."""
        if not isinstance(system, ProcoreSystem):
            raise ContractBroken(f"{system.name} has no webhooks")
        return cls(system.client, receiver)

    def wanted(self, settings: Settings) -> tuple[Trigger, ...]:
        """The triggers that the entities need whose writes are on, as far as Procore offers their types.

        Raises ConfigurationError with Procore's own list where it does not know a resource.
        """
        offered = {str(row["name"]): row.get("actions") or () for row in self._rows(WEBHOOK_RESOURCES, payload_version=VERSION)}
        names = [name for name, entities in RESOURCES.items() if any(settings.of(one).writes == "on" for one in entities)]
        if unknown := [name for name in names if name not in offered]:
            raise ConfigurationError(
                f"Procore knows no webhook of {', '.join(unknown)}; it has: {', '.join(sorted(offered))}. Correct `events` in "
                "include/procore/areas; until then these changes are found by the scheduled run."
            )
        return tuple((name, str(action)) for name in names for action in offered[name])

    def plan(self, settings: Settings) -> Plan:
        """What is missing, and what is there and not wanted. Changes nothing; raises also what :meth:`wanted` does."""
        wanted = self.wanted(settings)
        hooks = list(self._ours())
        hook = hooks[0] if hooks else None
        there = [(str(row["resource_name"]), str(row["event_type"])) for row in self._triggers(hook)] if hook else []
        return Plan(
            self.receiver,
            hook,
            hook is not None and not self.receiver.takes(_shown(hook)),
            tuple(one for one in wanted if one not in there),
            tuple(one for one in there if one not in wanted),
            tuple(self._remarks(hooks)),
        )

    def apply(self, plan: Plan) -> None:
        """Carry a plan out; where nothing is to be told of no hook is made.

        Raises Refused naming the triggers that Procore did not take; the others are made.
        """
        if plan.nothing:
            return
        hook = plan.hook or self._made()
        if plan.token:
            self._change_token(hook)
        self._bulk(TRIGGERS.sync_method, hook, plan.add)
        self._bulk("DELETE", hook, plan.remove)

    def rotate(self, *, probe: bool = True) -> str:
        """Give the hook the newest token, once the receiver takes it; returns what to do next, for a person.

        Raises ConfigurationError, with nothing changed: there is no hook, no second token, or one that the receiver refuses.
        """
        hook = next(self._ours(), None)
        if hook is None:
            raise ConfigurationError("There is no hook yet: make it with `webhooks apply`")
        old, new = self.receiver.tokens[0], self.receiver.tokens[-1]
        if old == new:
            raise ConfigurationError(
                "Connection procore_webhooks has one token. Enter a new one behind it, apart by a blank, so that the receiver "
                "takes both; then rotate again."
            )
        if not _same(_shown(hook), f"Bearer {new}") or _same(_shown(hook), f"Bearer {old}"):
            if probe and (told := self.probe(new)) is not None:
                raise ConfigurationError(f"{told} Nothing was changed; it looks at the connection once a minute.")
            self._change_token(hook)
        return "Procore sends the new token. Take the old one, the first, out of connection procore_webhooks."

    def probe(self, token: str) -> str | None:
        """Whether the receiver takes a token; None if it does, else a sentence. What is sent is no event, and not kept."""
        try:
            answer = requests.post(
                self.receiver.address, data=b"", auth=Bearer(token), timeout=PROBE_SECONDS, allow_redirects=False,
            )  # fmt: skip
        except requests.RequestException as error:
            return f"The receiver {self.receiver.address} cannot be reached from here ({type(error).__name__})."
        said = {401: "does not take the token", 503: "is not set up; its log says what is missing"}
        if answer.status_code == 422:
            return None
        return f"The receiver {self.receiver.address} {said.get(answer.status_code, f'answered {answer.status_code}')}."

    def missing(self, settings: Settings) -> list[str]:
        """What keeps events from coming, one sentence each; empty: they come."""
        plan = self.plan(settings)
        found = [] if plan.hook or not plan.add else [f"Procore has no hook to {self.receiver.address}"]
        found += ["the hook has a token that the receiver does not take"] if plan.token else []
        if plan.hook and plan.add:
            found.append("no event comes of " + ", ".join(dict.fromkeys(name for name, _ in plan.add)))
        return [*(f"{text}: python -m include.procore webhooks apply" for text in found), *plan.remarks]

    def undelivered(self) -> Iterator[Mapping[str, Any]]:
        """Deliveries of the last days that fail, wait behind one that does, or were given up, as Procore lists them."""
        hook = next(self._ours(), None)
        begin = f"{self.client.now() - LOOK_BACK:%Y-%m-%d}"
        if hook is None:
            return
        failing = False
        for status in (DISCARDED, "failed", "retrying", "enqueued"):
            if status == "enqueued" and not failing:
                return  # nothing fails: they are on their way
            where = {"filter[status]": status, "filter[start]": begin}
            for row in self._rows(DELIVERIES, hook, **where):
                failing = failing or status != DISCARDED
                yield row

    def status(self) -> tuple[bool, list[str]]:
        """Whether all is well, and how things stand, for a person: hook, receiver, deliveries."""
        hooks = list(self._ours())
        if not hooks:
            return False, [f"no hook to {self.receiver.address}: python -m include.procore webhooks apply"]
        hook = hooks[0]
        taken = self.receiver.takes(_shown(hook))
        said = self.probe(self.receiver.tokens[-1])
        rows = list(self.undelivered())
        count = Counter(DISCARDED if row.get("status") == DISCARDED else "failing" for row in rows)
        shown = [
            f"hook {hook['id']} to {hook['destination_url']}: {hook.get('status')}, {len(self._triggers(hook))} triggers, token "
            + ("of the connection" if taken else "unknown to the connection"),
            said or f"The receiver {self.receiver.address} takes the token.",
            f"deliveries of the last {LOOK_BACK.days} days: {count['failing']} failing, {count['discarded']} discarded",
            *(f"  {row.get('status')}: {_about(row)}{_last_attempt(row)}" for row in rows[:20]),
            *self._remarks(hooks),
        ]
        return taken and said is None and not rows and not list(self._remarks(hooks)), shown

    # -- calls ------------------------------------------------------------------------------------------------------------------

    def _path(self, path: str | None, hook: Mapping[str, Any] | None = None) -> str:
        ident = hook["id"] if hook else None
        return str(path).format(company=self.client.company_id, id=ident, parent=ident)

    def _rows(self, resource: Resource, hook: Mapping[str, Any] | None = None, **params: str) -> list[Mapping[str, Any]]:
        path = self._path(resource.list, hook)
        pages = self.client.pages(path, params, per_page=resource.per_page)
        rows = [row for page in pages for row in page.rows]
        if wrong := [row for row in rows if not isinstance(row, dict)]:
            raise ContractBroken(f"GET {path}: {type(wrong[0]).__name__} where a record belongs")
        return rows

    def _ours(self) -> Iterator[Mapping[str, Any]]:
        """The hooks of our name space and address, the oldest first."""
        rows = self._rows(HOOKS, namespace=NAMESPACE)
        ours = [row for row in rows if (row.get("namespace"), row.get("destination_url")) == (NAMESPACE, self.receiver.address)]
        yield from sorted(ours, key=lambda row: (str(row.get("created_at")), str(row["id"])))

    def _triggers(self, hook: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return self._rows(TRIGGERS, hook)

    def _made(self) -> Mapping[str, Any]:
        body = {
            "namespace": NAMESPACE,
            "destination_url": self.receiver.address,
            "payload_version": VERSION,
            "destination_headers": {"Authorization": self.receiver.authorization},
        }
        return self.client.post(self._path(HOOKS.create), body).object

    def _change_token(self, hook: Mapping[str, Any]) -> None:
        headers = {"destination_headers": {"Authorization": self.receiver.authorization}}
        changed = self.client.patch(self._path(HOOKS.update, hook), headers).object
        if not _same(_shown(changed), self.receiver.authorization):
            raise OutcomeUnknown(f"Procore does not show the new token on hook {hook['id']}; leave both in the connection")

    def _bulk(self, method: str, hook: Mapping[str, Any], triggers: Iterable[Trigger]) -> None:
        path = self._path(TRIGGERS.sync, hook)
        entries = [{"resource_name": name, "event_type": action} for name, action in triggers]
        for at in range(0, len(entries), TRIGGERS.sync_batch):
            reply = self.client.request(method, path, body=entries[at : at + TRIGGERS.sync_batch])
            if reply.status == 207:
                data = reply.data.get("data") if isinstance(reply.data, dict) else None
                rows = data.get("failed") if isinstance(data, dict) else data
                failed = [row for row in rows or () if isinstance(row, dict) and "code" in row]
                named = "; ".join(f"{row.get('resource_name')} {row.get('event_type')}: {row.get('message')}" for row in failed)
                raise Refused(f"{method} {path}: Procore did not take {named or 'some of them, without saying which'}")

    def _remarks(self, hooks: list[Mapping[str, Any]]) -> Iterator[str]:
        if hooks and hooks[0].get("status") not in (None, "active"):
            yield f"Hook {hooks[0]['id']} is {hooks[0]['status']} in Procore, and no event comes; activate or delete it there."
        if len(hooks) > 1:
            more = ", ".join(str(row["id"]) for row in hooks[1:])
            yield f"Hooks {more} are twins of {hooks[0]['id']}: each event comes more than once; delete them in Procore."


def sweep(webhooks: Webhooks, inbox: Inbox) -> dict[str, int]:
    """Keep in the inbox what Procore could not deliver, for the run that asks.

    Returns how many deliveries are ``failing`` and ``discarded``, how many events of them were ``new`` to the inbox, and how many
    nobody could read (``unreadable``).
    """
    found = Counter({"failing": 0, "discarded": 0, "new": 0, "unreadable": 0})
    for row in webhooks.undelivered():
        found[DISCARDED if row.get("status") == DISCARDED else "failing"] += 1
        try:
            event = event_of(row.get("payload"))
        except ValueError:
            found["unreadable"] += 1
            continue
        found["new"] += inbox.receive(event)
    return dict(found)


def _shown(hook: Mapping[str, Any]) -> str:
    headers = hook.get("destination_headers")
    return str(headers.get("Authorization") or "") if isinstance(headers, dict) else ""


def _same(shown: str, value: str) -> bool:
    """The last five characters are visible."""
    return len(shown) >= 5 and shown[-5:] == value[-5:]


def _about(row: Mapping[str, Any]) -> str:
    try:
        event = event_of(row.get("payload"))
    except ValueError:
        return "an event that cannot be read"
    return f"{event.resource} {event.resource_id}, {event.event_type}, {event.occurred_at}"


def _last_attempt(row: Mapping[str, Any]) -> str:
    attempts = row.get("delivery_attempts")
    last = attempts[-1] if isinstance(attempts, list) and attempts and isinstance(attempts[-1], dict) else {}
    said = last.get("response_status") or last.get("response_error")
    return f" (last answer: {said}, {len(attempts)} attempts)" if said and isinstance(attempts, list) else ""
