"""The values of ``completion`` fields, and the reader that fits each field."""

from __future__ import annotations

from isthmus.engines.embedded.analysis import Analyzers
from isthmus.engines.embedded.completion_terms import Completion, CompletionForms, inputs_of, term_of
from isthmus.engines.embedded.document_fields import FieldReader, Refuse, flat
from isthmus.engines.embedded.field_types_values import ColumnValue
from isthmus.engines.embedded.mapping import FieldMapping
from isthmus.errors import Failure
from isthmus.exchange import Json


def field_reader(field: FieldMapping, analyzers: Analyzers) -> FieldReader:
    """Answer what reads the values of a field and of its multi-fields."""
    subfields = tuple([field_reader(each, analyzers) for each in field.subfields])
    if field.type == "completion":
        return CompletionReader(field, subfields, CompletionForms(field, analyzers, field.analyzer))
    return FieldReader(field, subfields)


class CompletionReader(FieldReader):
    """Reads the inputs of a ``completion`` field: texts, objects of ``input`` and ``weight``, or lists."""

    __slots__ = ("_forms",)

    def __init__(
        self, field: FieldMapping, subfields: tuple[FieldReader, ...], forms: CompletionForms
    ) -> None:
        super().__init__(field, subfields)
        self._forms = forms

    def read(self, value: Json, values: dict[str, list[ColumnValue]], refuse: Refuse) -> None:
        """Add the terms of a JSON value; multi-fields get every input, its weight too if they complete."""
        for text, weight in self._read_inputs(value, values, refuse).items():
            for subfield in self._subfields:
                is_like_this = isinstance(subfield, CompletionReader)
                subfield.read({"input": text, "weight": weight} if is_like_this else text, values, refuse)

    def _read_one(self, value: Json, values: dict[str, list[ColumnValue]], refuse: Refuse) -> None:
        self._read_inputs(value, values, refuse)

    def _read_inputs(
        self, value: Json, values: dict[str, list[ColumnValue]], refuse: Refuse
    ) -> dict[str, int]:
        try:
            inputs = inputs_of(self.field, flat(value))
        except Failure as cause:
            raise refuse(self.field, value, cause) from cause
        if inputs:
            held = values.setdefault(self.field.path, [])
            for text, weight in inputs.items():
                form = self._forms.of(text)
                if form:
                    held.append(term_of(Completion(form, weight, text)))
            if not held:
                del values[self.field.path]
        return inputs
