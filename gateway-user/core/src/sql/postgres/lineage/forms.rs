//! The functions that tell nothing of what they are given by failing, or by being NULL; for which arguments.
//!
//! A function is what it is for the types that are listed here, and no others: `lower` of a range is NULL where
//! it has no end, and `->>` of a `json` fails where there is a `\u0000` in it. What is not in the list asks.
//! `tests/facts/kinds.rs` tries all of them on a server.

use super::kinds::{
    BIT, BOOL, BPCHAR, BYTEA, DATE, FLOAT4, FLOAT8, INET, INT2, INT4, INT8, INTERVAL, JSON, JSONB,
    MONEY, NUMERIC, TEXT, TIME, TIMESTAMP, TIMESTAMPTZ, TIMETZ, TSVECTOR, VARBIT, XML,
};

/// What an argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arg {
    /// A text.
    Text,
    /// A text, if the collation of all texts together is certain, and one of the server's: without one, or by one
    /// that has equal texts, it fails for some texts only.
    Clear,
    /// Of one of these types.
    Of(&'static [u32]),
    /// Of an enumeration.
    Enum,
    /// Whatever the server alone writes as a text.
    Shown,
    /// The same without documents that are not read yet.
    Read,
    /// An array of such.
    Array,
    /// No array or row: those of other sizes do not go together, and which of several it is shows by its size.
    Single,
    /// Anything.
    Any,
    /// A number that is written out, or an integer: it asks.
    Number,
    /// Anything: it asks.
    Said,
}

/// What a function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returns {
    /// This type.
    Is(u32),
    /// That of the first argument.
    First,
    /// An array of the first argument.
    Array,
    /// That of the first and the third argument, which are brought to one.
    Joined,
}

use Arg::{Any, Array, Clear, Enum, Number, Of, Read, Said, Shown, Single, Text};
use Returns::{First, Is, Joined};

/// Arguments with which a function may be called, whether the last may be there more often, and what it returns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) args: &'static [Arg],
    pub(super) more: bool,
    pub(super) returns: Returns,
}

const fn form(args: &'static [Arg], returns: Returns) -> Form {
    Form {
        args,
        more: false,
        returns,
    }
}

const fn many(args: &'static [Arg], returns: Returns) -> Form {
    Form {
        args,
        more: true,
        returns,
    }
}

const BITS: Arg = Of(&[BIT, VARBIT]);
const BYTES: Arg = Of(&[BYTEA]);
const TRUTH: Arg = Of(&[BOOL]);
const DOCUMENT: Arg = Of(&[JSONB]);
const TIMES: Arg = Of(&[DATE, TIME, TIMETZ, TIMESTAMP, TIMESTAMPTZ, INTERVAL]);

/// Of which there is a greatest one of the same type.
const ORDERED: Arg = Of(&[
    INT2,
    INT4,
    INT8,
    FLOAT4,
    FLOAT8,
    NUMERIC,
    MONEY,
    DATE,
    TIME,
    TIMETZ,
    TIMESTAMP,
    TIMESTAMPTZ,
    INTERVAL,
    BPCHAR,
    INET,
]);

const GREATEST: &[Form] = &[
    form(&[ORDERED], First),
    form(&[Enum], First),
    form(&[Clear], Is(TEXT)),
];
const LENGTH: &[Form] = &[
    form(&[Text], Is(INT4)),
    form(&[BYTES], Is(INT4)),
    form(&[BITS], Is(INT4)),
];
const LETTERS: &[Form] = &[form(&[Text], Is(INT4))];
const CHANGED: &[Form] = &[form(&[Text], Is(TEXT))];
const TRIMMED: &[Form] = &[
    form(&[Text], Is(TEXT)),
    form(&[Text, Text], Is(TEXT)),
    form(&[BYTES, BYTES], Is(BYTEA)),
];
const CUT: &[Form] = &[
    form(&[Text, Number], Is(TEXT)),
    form(&[Text, Number, Number], Is(TEXT)),
    form(&[BYTES, Number], Is(BYTEA)),
    form(&[BYTES, Number, Number], Is(BYTEA)),
];
const END: &[Form] = &[
    form(&[Text, Of(&[INT2, INT4])], Is(TEXT)),
    form(&[Text, Said], Is(TEXT)),
];
const SOUGHT: &[Form] = &[form(&[Clear, Clear], Is(INT4))];
const QUOTED: &[Form] = &[form(&[Shown], Is(TEXT))];
const ALL_TRUE: &[Form] = &[form(&[TRUTH], Is(BOOL))];
const ONE_OF: &[Form] = &[form(&[Any], First)];
const BESIDE: &[Form] = &[
    form(&[Any], First),
    form(&[Any, Said], First),
    form(&[Any, Said, Any], Joined),
];
const COUNTED: &[Form] = &[many(&[Any], Is(INT4))];
const EDGE: &[Form] = &[form(&[Array, Said], Is(INT4))];
const TO_JSON: &[Form] = &[form(&[Shown], Is(JSON))];
const TO_JSONB: &[Form] = &[form(&[Read], Is(JSONB))];
const TYPE_OF: &[Form] = &[form(&[DOCUMENT], Is(TEXT))];

/// In order of their names.
const FUNCTIONS: &[(&str, &[Form])] = &[
    ("any_value", ONE_OF),
    ("array_agg", &[form(&[Single], Returns::Array)]),
    ("array_dims", &[form(&[Array], Is(TEXT))]),
    ("array_length", EDGE),
    ("array_lower", EDGE),
    ("array_ndims", &[form(&[Array], Is(INT4))]),
    ("array_to_json", &[form(&[Array], Is(JSON))]),
    (
        "array_to_string",
        &[
            form(&[Array, Text], Is(TEXT)),
            form(&[Array, Text, Text], Is(TEXT)),
        ],
    ),
    ("array_upper", EDGE),
    ("avg", &[form(&[Of(&[INT2, INT4, INT8])], Is(NUMERIC))]),
    ("bit_length", LENGTH),
    ("bool_and", ALL_TRUE),
    ("bool_or", ALL_TRUE),
    ("btrim", TRIMMED),
    ("cardinality", &[form(&[Array], Is(INT4))]),
    ("char_length", LETTERS),
    ("character_length", LETTERS),
    ("concat", &[many(&[Shown], Is(TEXT))]),
    ("concat_ws", &[many(&[Text, Shown], Is(TEXT))]),
    ("count", &[form(&[Any], Is(INT8))]),
    ("date_part", &[form(&[Said, TIMES], Is(FLOAT8))]),
    (
        "date_trunc",
        &[
            form(&[Said, Of(&[TIMESTAMP])], Is(TIMESTAMP)),
            form(&[Said, Of(&[DATE, TIMESTAMPTZ])], Is(TIMESTAMPTZ)),
            form(&[Said, Of(&[INTERVAL])], Is(INTERVAL)),
        ],
    ),
    ("encode", &[form(&[BYTES, Said], Is(TEXT))]),
    ("every", ALL_TRUE),
    ("extract", &[form(&[Said, TIMES], Is(NUMERIC))]),
    ("first_value", ONE_OF),
    ("initcap", CHANGED),
    ("json_agg", TO_JSON),
    ("json_build_array", &[many(&[Shown], Is(JSON))]),
    ("json_build_object", KEYED),
    ("json_object_agg", &[form(&[Said, Shown], Is(JSON))]),
    ("json_typeof", &[form(&[Of(&[JSON])], Is(TEXT))]),
    ("jsonb_agg", TO_JSONB),
    ("jsonb_build_array", &[many(&[Read], Is(JSONB))]),
    ("jsonb_build_object", KEYED_READ),
    ("jsonb_extract_path", &[many(&[DOCUMENT, Said], Is(JSONB))]),
    (
        "jsonb_extract_path_text",
        &[many(&[DOCUMENT, Said], Is(TEXT))],
    ),
    ("jsonb_object_agg", &[form(&[Said, Read], Is(JSONB))]),
    ("jsonb_pretty", TYPE_OF),
    (
        "jsonb_strip_nulls",
        &[
            form(&[DOCUMENT], Is(JSONB)),
            form(&[DOCUMENT, TRUTH], Is(JSONB)),
        ],
    ),
    ("jsonb_typeof", TYPE_OF),
    ("lag", BESIDE),
    ("last_value", ONE_OF),
    ("lead", BESIDE),
    ("left", END),
    (
        "length",
        &[
            form(&[Text], Is(INT4)),
            form(&[BYTES], Is(INT4)),
            form(&[BITS], Is(INT4)),
            form(&[Of(&[TSVECTOR])], Is(INT4)),
        ],
    ),
    ("lower", CHANGED),
    ("ltrim", TRIMMED),
    ("max", GREATEST),
    ("md5", &[form(&[Text], Is(TEXT)), form(&[BYTES], Is(TEXT))]),
    ("min", GREATEST),
    ("nth_value", &[form(&[Any, Said], First)]),
    ("num_nonnulls", COUNTED),
    ("num_nulls", COUNTED),
    ("octet_length", LENGTH),
    ("pg_typeof", &[form(&[Any], Is(REGTYPE))]),
    ("position", SOUGHT),
    ("quote_ident", CHANGED),
    ("quote_literal", QUOTED),
    ("quote_nullable", QUOTED),
    ("reverse", CHANGED),
    ("right", END),
    ("row_to_json", TO_JSON),
    ("rtrim", TRIMMED),
    ("split_part", &[form(&[Clear, Clear, Number], Is(TEXT))]),
    ("starts_with", &[form(&[Clear, Clear], Is(BOOL))]),
    (
        "string_agg",
        &[
            form(&[Text, Text], Is(TEXT)),
            form(&[BYTES, BYTES], Is(BYTEA)),
        ],
    ),
    ("strpos", SOUGHT),
    ("substr", CUT),
    ("substring", CUT),
    (
        "sum",
        &[
            form(&[Of(&[INT2, INT4])], Is(INT8)),
            form(&[Of(&[INT8])], Is(NUMERIC)),
        ],
    ),
    ("text", CHANGED),
    ("to_char", &[form(&[TO_CHAR, Said], Is(TEXT))]),
    ("to_json", TO_JSON),
    ("to_jsonb", TO_JSONB),
    ("upper", CHANGED),
    ("xmlagg", &[form(&[Of(&[XML])], Is(XML))]),
    ("xmltext", &[form(&[Text], Is(XML))]),
];

/// Every second argument is the value of a key, which asks.
const KEYED: &[Form] = &[many(&[Said, Shown], Is(JSON))];
const KEYED_READ: &[Form] = &[many(&[Said, Read], Is(JSONB))];

const TO_CHAR: Arg = Of(&[DATE, TIME, TIMESTAMP, TIMESTAMPTZ, INTERVAL]);

const REGTYPE: u32 = 2_206;

/// The forms of a function of the server.
pub(super) fn forms(name: &str) -> &'static [Form] {
    let place = FUNCTIONS.binary_search_by_key(&name, |(known, _)| known);
    let found = place.ok().and_then(|place| FUNCTIONS.get(place));
    found.map_or(&[], |(_, forms)| forms)
}

/// Functions whose results are longer or shorter by what they compare.
pub(super) const SIFTING: [&str; 9] = [
    "btrim",
    "ltrim",
    "max",
    "min",
    "position",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
];

/// The names of the functions that tell nothing of some arguments.
pub fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, _)| *name)
}

impl Form {
    /// What the argument at a place must be; none if there is none there. Those of `many` come again, all of
    /// them where there is a key among them.
    pub(super) fn at(&self, place: usize) -> Option<Arg> {
        let last = self.args.len().checked_sub(1)?;
        let place = match self.args {
            [Said, _] if self.more => place % 2,
            _ if self.more => place.min(last),
            _ => place,
        };
        self.args.get(place).copied()
    }

    /// Whether it is one of so many arguments.
    pub(super) fn takes(&self, count: usize) -> bool {
        match self.more {
            true => count >= self.args.len(),
            false => count == self.args.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(FUNCTIONS.is_sorted_by_key(|(name, _)| name));
    }
}
