"""PubMedQA: does the abstract answer the question with yes, no or maybe?

Published: one JSON object, PMID -> {QUESTION, CONTEXTS, LABELS, final_decision, LONG_ANSWER, ...}.
The hub's copy has rows {pubid, question, context: {contexts, labels, ...}, final_decision, ...}.
LONG_ANSWER is the abstract's conclusion: it gives the answer away and never enters the prompt.
"""

from collections.abc import Iterable, Iterator, Mapping

from medtune.records import Example, Message
from medtune.tasks.rows import Row, kind

DECISIONS = ("yes", "no", "maybe")


def read_pubmedqa(rows: Iterable[Row]) -> Iterator[Example]:
    """Reader of both schemas.

    Raises:
        DataError: A row is of neither.
    """
    for row in rows:
        question = row.text("QUESTION" if "QUESTION" in row.values else "question").strip()
        contexts, labels = _contexts(row)
        decision = row.text("final_decision")
        if decision not in DECISIONS:
            raise row.fault(f"final_decision is {kind(decision)}", "yes, no or maybe")
        abstract = "\n".join(
            f"{label}: {text.strip()}" for label, text in zip(labels, contexts, strict=True)
        )
        asked = f"Abstract:\n{abstract}\n\nQuestion: {question}"
        identifier = row.optional_text("pubid", row.id)
        yield Example(
            id=identifier,
            where=row.where,
            messages=(
                Message(
                    role="user",
                    content=f"{asked}\n\nJudging by the abstract, answer yes, no or maybe.",
                ),
                Message(role="assistant", content=decision, supervised=True),
            ),
            options=DECISIONS,
            answer=decision,
            text=f"{abstract}\n{question}",
            question=asked,
            group=identifier,
            is_grouped=True,
            source="PubMedQA",
            licence="MIT; the abstracts are the publishers'",
        )


def _contexts(row: Row) -> tuple[list[str], list[str]]:
    if "CONTEXTS" in row.values:
        contexts, labels = row.value("CONTEXTS"), row.values.get("LABELS")
    else:
        context = row.value("context")
        if not isinstance(context, Mapping):
            raise row.fault(f"context is {kind(context)}", "an object with contexts and labels")
        contexts, labels = context.get("contexts"), context.get("labels")
    contexts, labels = _texts(row, "contexts", contexts), _texts(row, "labels", labels)
    if not contexts or len(contexts) != len(labels):
        raise row.fault(f"{len(contexts)} contexts and {len(labels)} labels", "a label for each")
    return contexts, labels


def _texts(row: Row, name: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise row.fault(f"{name} is {kind(value)}", "a list of texts")
    return value
