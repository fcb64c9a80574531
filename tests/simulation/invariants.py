"""What must hold after every step: one function per promise, the promise as its docstring.

Those of `EVERYWHERE` are asked of each service that the step has changed, the others of the one they are listed under.
They look at rows past SQLAlchemy, and only at what is new where a table grows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping

from tests.simulation.model import COMMITTEE, MEETING
from tests.simulation.world import World, require

Promise = Callable[[World], None]
PromiseOfService = Callable[[World, str], None]


# -------------------------------------------------------------------- the kernel, in every service


def nothing_is_marked_sent_that_the_bus_has_not_confirmed(world: World, name: str) -> None:
    """An event marked sent has been confirmed by the bus, and the feed numbers those without a gap."""
    seen = world.seen[name]
    rows = world.alliance[name].rows(
        "SELECT event_id, feed_number, sent_at FROM outbox WHERE feed_number > ? ORDER BY feed_number", seen.feed
    )
    for event_id, number, sent_at in rows:
        require(event_id in world.alliance.bus.confirmed, "marked sent without a confirm", name, event_id)
        require(sent_at is not None, "numbered but not marked sent", name, event_id)
        require(number == seen.feed + 1, "the feed has a gap", name, seen.feed, number)
        seen.feed = number
    half = world.alliance[name].rows("SELECT 1 FROM outbox WHERE (sent_at IS NULL) <> (feed_number IS NULL) LIMIT 1")
    require(not half, "marked sent and numbered go together", name)


def an_event_has_its_effect_once(world: World, name: str) -> None:
    """A service reacts to an event once, however often it arrives, and its inbox says so in the same transaction."""
    seen = world.seen[name]
    for effect in world.fresh_effects[name]:
        require(effect.event_id not in seen.reacted, "a second effect of one event", name, effect)
        seen.reacted.add(effect.event_id)
    ((done,),) = world.alliance[name].rows("SELECT count(*) FROM inbox WHERE state = 'done'")
    require(done == len(seen.reacted), "the inbox counts other effects than there were", name, done, len(seen.reacted))


def only_what_was_recorded_has_effects(world: World, name: str) -> None:
    """Every effect answers an event that its publisher stored: nothing is told that did not happen."""
    for effect in world.fresh_effects[name]:
        event = world.events.get(effect.event_id)
        require(event is not None, "an effect of an event nobody stored", name, effect)
        assert event is not None
        require(
            (event.source, event.subject, event.sequence) == (*effect.line, effect.sequence),
            "an event arrived changed",
            name,
            effect,
        )


def a_subjects_events_take_effect_in_order(world: World, name: str) -> None:
    """A consumer never applies an event of a subject after a later one."""
    done_to = world.seen[name].done_to
    for effect in world.fresh_effects[name]:
        require(effect.sequence > done_to.get(effect.line, 0), "applied out of order", name, effect)
        done_to[effect.line] = effect.sequence


def nothing_is_parked_without_need(world: World, name: str) -> None:
    """An event is parked when its attempts are used up, or when the bus broke the order; never otherwise."""
    rows = world.alliance[name].rows("SELECT type, attempts, reason FROM inbox WHERE state = 'parked'")
    for event_type, attempts, reason in rows:
        out_of_order = not world.keeps_order and "event.out_of_order" in (reason or "")
        require(out_of_order or attempts > 8, "parked", name, event_type, attempts, reason)


# -------------------------------------------------------------------- membership


def the_roster_changes_only_by_a_passed_ballot(world: World) -> None:
    """After the founding a unit is on the roster only by a ballot of the general meeting that is closed and passed,
    after one of the committee, on its own accepted application.
    """
    model = world.model
    rows = world.alliance["membership"].rows(
        "SELECT member_id, founding, application_id, ballot_id FROM members ORDER BY rowid"
    )
    for member_id, founding, application_id, ballot_id in rows[len(model.members) :]:
        model.members[member_id] = application_id
        if founding:
            continue
        for body in (COMMITTEE, MEETING):
            ballot = model.ballots.get((body, application_id))
            require(ballot is not None, "a member without a ballot", body, member_id)
            assert ballot is not None
            require(ballot.state == "closed" and ballot.passed, "a member by a ballot that has not passed", body)
            stored = world.alliance["meetings"].rows(
                "SELECT state, json_extract(result, '$.outcome') FROM ballots WHERE ballot_id = ?", ballot.ballot_id
            )
            require(stored == [("closed", "passed")], "a member by a ballot that meetings did not certify", stored)
        require(ballot_id == model.ballots[MEETING, application_id].ballot_id, "a member by a ballot of others")
        require(model.applications[application_id].state == "admitted", "a member whose application was not admitted")
    require(len(rows) == len(model.members), "nobody leaves the roster unseen")


def numbers_are_given_without_gaps(world: World) -> None:
    """Members and applications are numbered from 1 without gaps, whatever was rolled back in between."""
    for table, prefix in (("members", "ZZ-"), ("applications", "ZZ-A-")):
        rows = world.alliance["membership"].rows(f"SELECT number FROM {table} ORDER BY number")
        require([row[0] for row in rows] == [f"{prefix}{place:04}" for place in range(1, len(rows) + 1)], table, rows)


def an_application_is_where_its_steps_have_brought_it(world: World) -> None:
    """An application's state follows from the steps that were acknowledged and the ballots that were certified."""
    rows = world.alliance["membership"].rows("SELECT application_id, state FROM applications")
    states = {each.application_id: each.state for each in world.model.applications.values()}
    require(dict(rows) == states, "applications differ from the model", set(rows) ^ set(states.items()))


def every_admitted_unit_has_one_account(world: World) -> None:
    """Each member has exactly one account to sign in with."""
    rows = world.alliance["membership"].rows(
        "SELECT m.member_id, count(a.account_id) FROM members m LEFT JOIN accounts a USING (member_id) "
        "GROUP BY m.member_id HAVING count(a.account_id) <> 1"
    )
    require(not rows, "members without or with several accounts", rows)


def who_has_left_is_dated_and_keeps_nothing(world: World) -> None:
    """Exactly those that said so have left; their entries have an end, their offices and sign-ins none left open."""
    rows = world.alliance["membership"].rows
    gone = {row[0] for row in rows("SELECT member_id FROM members WHERE left_at IS NOT NULL")}
    require(gone == world.model.left, "others have left than those that said so", gone ^ world.model.left)
    waiting = {row[0] for row in rows("SELECT member_id FROM members WHERE leaves_at IS NOT NULL AND left_at IS NULL")}
    require(waiting == world.model.leaving, "others will leave than said so", waiting ^ world.model.leaving)
    offices = rows(
        "SELECT office_id FROM offices JOIN members USING (member_id) WHERE left_at IS NOT NULL AND term_to > left_at"
        " AND term_to > term_from"
    )
    require(not offices, "offices of units that have left", offices)
    accounts = rows(
        "SELECT account_id FROM accounts JOIN members USING (member_id) WHERE left_at IS NOT NULL AND state <> 'closed'"
    )
    require(not accounts, "sign-ins of units that have left", accounts)


# -------------------------------------------------------------------- meetings


def a_unit_that_left_votes_in_nothing_opened_later(world: World) -> None:
    """Once meetings has heard that a unit has left, it takes part in no ballot that opens after."""
    names = {ballot.ballot_id: ballot.application_id + ballot.body for ballot in world.model.ballots.values()}
    rows = world.alliance["meetings"].rows(
        "SELECT unit_id, ballot_id FROM participations JOIN units USING (unit_id) WHERE left_at IS NOT NULL"
    )
    later = [row for row in rows if names[row[1]] not in world.model.opened_before_leaving[row[0]]]
    require(not later, "a unit that had left has voted", later)


def whoever_left_without_voting_is_struck_and_stays_in_the_base(world: World) -> None:
    """A ballot counts the units struck from it, and they stay on its roll."""
    rows = world.alliance["meetings"].rows
    told = dict(rows("SELECT ballot_id, struck FROM ballots"))
    entries = dict(rows("SELECT ballot_id, count(*) FROM roll_entries WHERE struck GROUP BY ballot_id"))
    for ballot in world.model.ballots.values():
        found = (told[ballot.ballot_id], entries.get(ballot.ballot_id, 0))
        require(found == (len(ballot.struck),) * 2, "struck", ballot.ballot_id[:4], found, len(ballot.struck))


def every_acknowledged_vote_counts_and_no_other(world: World) -> None:
    """One participation per unit and ballot, one vote for each participation, and each choice as often as it was
    acknowledged.
    """
    rows = world.alliance["meetings"].rows
    took_part = dict(rows("SELECT ballot_id, count(*) FROM participations GROUP BY ballot_id"))
    votes: dict[str, Counter[str]] = {}
    for ballot_id, choice, count in rows("SELECT ballot_id, choice, count(*) FROM votes GROUP BY ballot_id, choice"):
        votes.setdefault(ballot_id, Counter())[choice] = count
    stored = dict(rows("SELECT ballot_id, votes_cast FROM ballots"))
    for ballot in world.model.ballots.values():
        counts = votes.get(ballot.ballot_id, Counter())
        require(counts == ballot.counts(), "votes differ from those acknowledged", ballot.ballot_id[:4], counts)
        cast = len(ballot.votes)
        require(took_part.get(ballot.ballot_id, 0) == cast, "participations differ from votes", ballot.ballot_id[:4])
        require(stored[ballot.ballot_id] == cast, "the ballot's own count differs", ballot.ballot_id[:4])


def a_ballots_roll_is_frozen_when_it_opens(world: World) -> None:
    """Exactly the units that meetings knew when the ballot opened may vote in it; later members may not."""
    rows = world.alliance["meetings"].rows
    sizes = dict(rows("SELECT ballot_id, count(*) FROM roll_entries GROUP BY ballot_id"))
    for ballot in world.model.ballots.values():
        require(sizes[ballot.ballot_id] == len(ballot.roll), "the roll has changed", ballot.ballot_id[:4])
        if ballot.ballot_id not in world.rolls:
            entries = rows("SELECT unit_id FROM roll_entries WHERE ballot_id = ?", ballot.ballot_id)
            require({unit for (unit,) in entries} == ballot.roll, "another roll than the body's", ballot.ballot_id[:4])
            world.rolls.add(ballot.ballot_id)


def a_ballot_ends_once_and_rightly(world: World) -> None:
    """A ballot closes by its last vote or at its deadline, never before; its counts are those of its votes, its
    outcome is what the charter makes of them, and then it never changes.
    """
    rows = world.alliance["meetings"].rows
    known = {ballot.ballot_id: ballot for ballot in world.model.ballots.values()}
    stored = rows("SELECT ballot_id, state, ended_because, ended_at, closes_at, opened_at FROM ballots")
    require({row[0] for row in stored} == set(known), "ballots that nobody asked for")
    for ballot_id, state, because, ended_at, closes_at, opened_at in stored:
        ballot = known[ballot_id]
        require(closes_at > opened_at, "a ballot that closes before it opens")
        if ballot_id in world.ended:
            require(world.ended[ballot_id] == (state, because, ended_at), "an ended ballot has changed", ballot_id[:4])
            continue
        if state == "closed" and because == "deadline" and ballot.state == "open":
            require(ended_at >= closes_at, "a ballot expired early", ballot_id[:4], ended_at, closes_at)
            ballot.state = "closed"
        require(state == ballot.state, "a ballot is not where its votes put it", ballot_id[:4], state, ballot.state)
        if state == "closed":
            _certified(world, ballot_id)
        if state != "open":
            world.ended[ballot_id] = (state, because, ended_at)


def _certified(world: World, ballot_id: str) -> None:
    ballot = next(each for each in world.model.ballots.values() if each.ballot_id == ballot_id)
    ((text, because),) = world.alliance["meetings"].rows(
        "SELECT result, ended_because FROM ballots WHERE ballot_id = ?", ballot_id
    )
    result = json.loads(text)
    counts = {choice: result[choice] for choice in ("yes", "no", "abstain") if result[choice]}
    require(counts == dict(ballot.counts()), "certified counts differ from the votes", ballot_id[:4], counts)
    require(result["outcome"] == ("passed" if ballot.passed else "refused"), "the wrong outcome", ballot_id[:4], counts)
    require(result["not_cast"] == len(ballot.roll) - len(ballot.votes), "not cast", ballot_id[:4])
    require((because == "all_voted") == ballot.has_all_votes, "ended because", because)
    noted = [line["params"]["struck"] for line in result["explanation"] if line["code"] == "explanation.struck"]
    require(noted == ([len(ballot.struck)] if ballot.struck else []), "the explanation counts others struck", noted)


# -------------------------------------------------------------------- finance


def every_ledger_sums_to_zero(world: World) -> None:
    """Each entry sums to zero in its currency, is numbered without gaps, and was acknowledged."""
    rows = world.alliance["finance"].rows
    crooked = rows("SELECT entry_id FROM postings GROUP BY entry_id HAVING sum(amount_fen) <> 0")
    require(not crooked, "entries that do not balance", crooked)
    ((count, last),) = rows("SELECT count(*), coalesce(max(number), 0) FROM entries")
    require(count == last == world.model.entries, "entries", count, last, world.model.entries)
    balances = dict(rows("SELECT account_id, sum(amount_fen) FROM postings GROUP BY account_id"))
    require(balances == {each: world.model.balances[each] for each in balances}, "balances differ from the model")
    require(len(balances) == len(world.model.balances), "an acknowledged posting is missing")


def one_finance_account_per_member(world: World) -> None:
    """Each member finance has heard of has exactly one account, and nobody else has one."""
    rows = world.alliance["finance"].rows("SELECT member_id FROM accounts WHERE member_id IS NOT NULL")
    holders = [row[0] for row in rows]
    require(len(holders) == len(set(holders)), "a member with two accounts")
    require(set(holders) == world.model.account_holders, "accounts of others than the members")


def the_account_of_a_unit_that_left_is_closed(world: World) -> None:
    """Finance has closed the accounts of exactly the units it has heard to have left."""
    rows = world.alliance["finance"].rows(
        "SELECT member_id FROM accounts WHERE member_id IS NOT NULL AND closed_at IS NOT NULL"
    )
    closed = {row[0] for row in rows}
    require(closed == world.model.closed_holders, "closed accounts", closed ^ world.model.closed_holders)


# -------------------------------------------------------------------- notifications


def everybody_is_told_once_and_only_what_they_asked_for(world: World) -> None:
    """A notice reaches an inbox at most once per recipient and event, and exactly those who had asked when the event
    arrived; each subscription has one delivery of it.
    """
    rows = world.alliance["notifications"].rows
    ((notices, once),) = rows("SELECT count(*), count(DISTINCT recipient || ' ' || event_id) FROM notices "
                              "WHERE recipient_kind = 'person'")  # fmt: skip
    require(notices == once == len(world.model.notices), "notices", notices, once, len(world.model.notices))
    ((deliveries, single),) = rows(
        "SELECT count(*), count(DISTINCT subscription_id || ' ' || event_id) FROM deliveries"
    )
    require(deliveries == single == len(world.model.deliveries), "deliveries", deliveries, len(world.model.deliveries))


def the_archive_keeps_every_event_once(world: World) -> None:
    """What notifications has heard stands in the archive, each event once."""
    ((archived,),) = world.alliance["notifications"].rows("SELECT count(*) FROM archive")
    require(archived == len(world.seen["notifications"].reacted), "archived", archived)


def a_mail_counts_as_delivered_only_when_the_server_took_it(world: World) -> None:
    """A delivery by e-mail is marked delivered only when the mail server has taken that very mail."""
    rows = world.alliance["notifications"].rows(
        "SELECT delivery_id FROM deliveries WHERE channel = 'email' AND state = 'delivered'"
    )
    untaken = [row[0] for row in rows if not world.alliance.mail.taken[row[0]]]
    require(not untaken, "delivered, yet the mail server has not seen them", untaken)


EVERYWHERE: tuple[PromiseOfService, ...] = (
    nothing_is_marked_sent_that_the_bus_has_not_confirmed,
    an_event_has_its_effect_once,
    only_what_was_recorded_has_effects,
    a_subjects_events_take_effect_in_order,
    nothing_is_parked_without_need,
)
PROMISES: Mapping[str, tuple[Promise, ...]] = {
    # Meetings first: what membership may do depends on how a ballot ended.
    "meetings": (
        a_ballot_ends_once_and_rightly,
        every_acknowledged_vote_counts_and_no_other,
        a_ballots_roll_is_frozen_when_it_opens,
        a_unit_that_left_votes_in_nothing_opened_later,
        whoever_left_without_voting_is_struck_and_stays_in_the_base,
    ),
    "membership": (
        an_application_is_where_its_steps_have_brought_it,
        the_roster_changes_only_by_a_passed_ballot,
        numbers_are_given_without_gaps,
        every_admitted_unit_has_one_account,
        who_has_left_is_dated_and_keeps_nothing,
    ),
    "finance": (
        every_ledger_sums_to_zero,
        one_finance_account_per_member,
        the_account_of_a_unit_that_left_is_closed,
    ),
    "notifications": (
        everybody_is_told_once_and_only_what_they_asked_for,
        the_archive_keeps_every_event_once,
        a_mail_counts_as_delivered_only_when_the_server_took_it,
    ),
}


def check(world: World) -> None:
    """Look at what the last step has changed, and ask every promise about it."""
    changed = world.look()
    for name in changed:
        for promise in EVERYWHERE:
            promise(world, name)
    world.tell_model()
    for name, promises in PROMISES.items():
        if name in changed:
            for asked in promises:
                asked(world)
