//! What is computed from a masked value without telling of it by failing, or by being NULL.
//!
//! A result that is made of a masked value is masked fully, but whether there is one is seen: the statement
//! fails, or the result is NULL. So whatever may do either for some values and not for others asks a question
//! of them, just as `WHERE` does, and counts as probing. Listed here is what does neither; all else asks.
//! Comparing always does: `email IN ('a', NULL)` is NULL where it is not true.
//!
//! That a text is too long for the server's memory, and how long something takes, is left out.

use pg_query::protobuf::{self, a_const::Val, node::Node};

use super::catalog::{FIRST_OWN, TypeKind};
use super::routines::in_path;
use super::tracer::Tracer;
use super::value::Value;
use crate::sql::postgres::SearchPath;
use crate::sql::postgres::walk::strings;

pub(super) const BOOL: u32 = 16;
pub(super) const NAME: u32 = 19;
pub(super) const INT8: u32 = 20;
const INT2: u32 = 21;
pub(super) const INT4: u32 = 23;
pub(super) const TEXT: u32 = 25;
pub(super) const JSON: u32 = 114;
pub(super) const XML: u32 = 142;
pub(super) const FLOAT8: u32 = 701;
pub(super) const BPCHAR: u32 = 1_042;
pub(super) const VARCHAR: u32 = 1_043;
pub(super) const DATE: u32 = 1_082;
const TIME: u32 = 1_083;
pub(super) const TIMESTAMP: u32 = 1_114;
pub(super) const TIMESTAMPTZ: u32 = 1_184;
pub(super) const INTERVAL: u32 = 1_186;
const BIT: u32 = 1_560;
const VARBIT: u32 = 1_562;
pub(super) const NUMERIC: u32 = 1_700;
pub(super) const JSONB: u32 = 3_802;

/// Types to which every value can be brought, by their names.
const TEXTS: [(&str, u32); 4] = [
    ("bpchar", BPCHAR),
    ("name", NAME),
    ("text", TEXT),
    ("varchar", VARCHAR),
];

/// From which numbers to which there is always a way.
const WIDER: [(u32, &[u32]); 3] = [
    (INT2, &[INT4, INT8, NUMERIC, FLOAT8]),
    (INT4, &[INT8, NUMERIC, FLOAT8]),
    (INT8, &[NUMERIC, FLOAT8]),
];

/// Collations of every server by which texts are equal only if they are the same.
const COLLATIONS: [&str; 4] = ["C", "POSIX", "default", "ucs_basic"];

/// Which arguments of a function may be masked values.
#[derive(Clone, Copy, Debug)]
enum May {
    /// Any.
    All,
    /// The first.
    First,
    /// Any, if the others are written out: where texts are looked for by a collation that has equal ones, it fails.
    Beside,
    /// The second.
    Second,
    /// The first and the third.
    Ends,
    /// Every second one: the values of keys.
    Values,
    /// The first, if others are numbers: with a pattern it is NULL where that does not fit.
    Cut,
    /// The only one.
    Only,
    /// The first, if it is no array or row: those of other sizes do not go together, and which of several it is
    /// shows by its size.
    Single,
    /// The first, if it is an integer: other sums may be too large.
    Whole,
    /// The first, if it is a time: not every number fits into every pattern.
    Time,
}

/// Functions of the server, which arguments may be masked, and the type of what they return, 0 for that of
/// the first argument.
const FUNCTIONS: &[(&str, May, u32)] = &[
    ("any_value", May::First, 0),
    ("array_agg", May::Single, UNSAID),
    ("array_dims", May::First, TEXT),
    ("array_length", May::First, INT4),
    ("array_lower", May::First, INT4),
    ("array_ndims", May::First, INT4),
    ("array_to_json", May::First, JSON),
    ("array_to_string", May::All, TEXT),
    ("array_upper", May::First, INT4),
    ("avg", May::Whole, NUMERIC),
    ("bit_length", May::Only, INT4),
    ("bool_and", May::First, BOOL),
    ("bool_or", May::First, BOOL),
    ("btrim", May::All, UNSAID),
    ("cardinality", May::First, INT4),
    ("char_length", May::Only, INT4),
    ("character_length", May::Only, INT4),
    ("concat", May::All, TEXT),
    ("concat_ws", May::All, TEXT),
    ("count", May::First, INT8),
    ("date_part", May::Second, FLOAT8),
    ("date_trunc", May::Second, OF_SECOND),
    ("encode", May::First, TEXT),
    ("every", May::First, BOOL),
    ("extract", May::Second, NUMERIC),
    ("first_value", May::First, 0),
    ("initcap", May::All, TEXT),
    ("json_agg", May::First, JSON),
    ("json_build_array", May::All, JSON),
    ("json_build_object", May::Values, JSON),
    ("json_extract_path", May::First, JSON),
    ("json_extract_path_text", May::First, TEXT),
    ("json_object_agg", May::Second, JSON),
    ("json_strip_nulls", May::First, JSON),
    ("json_typeof", May::First, TEXT),
    ("jsonb_agg", May::First, JSONB),
    ("jsonb_build_array", May::All, JSONB),
    ("jsonb_build_object", May::Values, JSONB),
    ("jsonb_extract_path", May::First, JSONB),
    ("jsonb_extract_path_text", May::First, TEXT),
    ("jsonb_object_agg", May::Second, JSONB),
    ("jsonb_pretty", May::First, TEXT),
    ("jsonb_strip_nulls", May::First, JSONB),
    ("jsonb_typeof", May::First, TEXT),
    ("lag", May::Ends, 0),
    ("last_value", May::First, 0),
    ("lead", May::Ends, 0),
    ("left", May::All, TEXT),
    ("length", May::Only, INT4),
    ("lower", May::All, UNSAID),
    ("ltrim", May::All, UNSAID),
    ("max", May::Single, 0),
    ("md5", May::All, TEXT),
    ("min", May::Single, 0),
    ("nth_value", May::First, 0),
    ("num_nonnulls", May::All, INT4),
    ("num_nulls", May::All, INT4),
    ("octet_length", May::Only, INT4),
    ("pg_typeof", May::All, UNSAID),
    ("position", May::Beside, INT4),
    ("quote_ident", May::All, TEXT),
    ("quote_literal", May::All, TEXT),
    ("quote_nullable", May::All, TEXT),
    ("reverse", May::All, UNSAID),
    ("right", May::All, TEXT),
    ("row_to_json", May::First, JSON),
    ("rtrim", May::All, UNSAID),
    ("split_part", May::Beside, TEXT),
    ("starts_with", May::All, BOOL),
    ("string_agg", May::All, UNSAID),
    ("strpos", May::Beside, INT4),
    ("substr", May::Cut, UNSAID),
    ("substring", May::Cut, UNSAID),
    ("sum", May::Whole, SUMMED),
    ("text", May::First, TEXT),
    ("to_char", May::Time, TEXT),
    ("to_json", May::First, JSON),
    ("to_jsonb", May::First, JSONB),
    ("upper", May::All, UNSAID),
    ("xmlagg", May::First, XML),
    ("xmltext", May::Only, XML),
];

/// The type of a result is that of the second argument, which is a time. Of a date it is another.
const OF_SECOND: u32 = u32::MAX - 1;

/// The type of a result is that of a sum of the first argument.
const SUMMED: u32 = u32::MAX - 2;

/// The type of a result is that of the first argument if that is a text, and not known otherwise.
const UNSAID: u32 = u32::MAX;

impl May {
    fn at(self, place: usize, args: &[Value], numbers: bool, scalar: bool, beside: bool) -> bool {
        match self {
            Self::All => true,
            Self::First => place == 0,
            Self::Beside => place < 2 && beside,
            Self::Second => place == 1,
            Self::Ends => place == 0 || place == 2,
            Self::Values => place % 2 == 1,
            Self::Cut => place == 0 && numbers,
            Self::Only => args.len() == 1,
            Self::Single => place == 0 && scalar,
            Self::Whole => place == 0 && args.first().is_some_and(is_whole),
            Self::Time => place == 0 && is_time(args),
        }
    }
}

impl Tracer<'_> {
    /// Notes which masked arguments of a function it asks something of; the type of its result, 0 if it is not
    /// known. `nodes` are the arguments as they are written, if they are.
    pub(super) fn asks(&self, names: &[&str], nodes: &[protobuf::Node], args: &[Value]) -> u32 {
        let name = names.last().copied().unwrap_or_default();
        let place = FUNCTIONS.binary_search_by_key(&name, |(known, ..)| known);
        let known = place.ok().and_then(|place| FUNCTIONS.get(place));
        let known = known.filter(|_| in_path(self, names).all(|schema| schema == "pg_catalog"));
        let Some((_, may, returns)) = known else {
            args.iter().for_each(|arg| self.probe(arg));
            return 0;
        };
        let others = nodes.iter().zip(args).skip(1);
        let numbers = nodes.len() == args.len()
            && others
                .clone()
                .all(|(node, arg)| is_number(node) || is_whole(arg))
            && args.len() > 1;
        let is_named = |node: &protobuf::Node| matches!(node.node, Some(Node::NamedArgExpr(_)));
        let in_order = !nodes.iter().any(is_named);
        for (place, arg) in args.iter().enumerate() {
            let mut others = nodes.iter().zip(args).enumerate();
            let beside = nodes.len() == args.len()
                && others.all(|(other, (node, arg))| {
                    other == place || matches!(node.node, Some(Node::AConst(_))) || is_whole(arg)
                });
            let fits = may.at(place, args, numbers, self.is_single(arg), beside);
            if !(fits && in_order) {
                self.probe(arg);
            }
        }
        if let (May::Ends, [first, _, otherwise, ..]) = (may, args) {
            self.join_types([first, otherwise]);
        }
        let first = args.first().map_or(0, |arg| arg.ty);
        match *returns {
            0 => first,
            UNSAID if TEXTS.iter().any(|(_, ty)| *ty == first) => TEXT,
            UNSAID => 0,
            SUMMED => match first {
                INT2 | INT4 => INT8,
                INT8 => NUMERIC,
                _ => 0,
            },
            OF_SECOND => match args.get(1).map_or(0, |arg| arg.ty) {
                DATE => TIMESTAMPTZ,
                ty => ty,
            },
            ty => ty,
        }
    }

    /// The same of an operator.
    pub(super) fn operator_asks(&self, names: &[&str], sides: &[Value]) -> u32 {
        let name = names.last().copied().unwrap_or_default();
        // Which of several operators of one name it is depends on types that are not always known here.
        let built_in = self.catalog().operators_named(name).is_empty();
        let first = sides.first().map_or(0, |side| side.ty);
        // By the place of a side, and whether it is of a type that is no array, row or the like.
        let (fits, ty): (fn(usize, bool) -> bool, u32) = match name {
            "||" => {
                let texts = sides.iter().any(|side| is_text(side.ty));
                (|_, single| single, if texts { TEXT } else { 0 })
            }
            // A member that is not there is NULL as one is that is NULL.
            "->" | "#>" if is_json(first) => (|place, _| place == 0, first),
            "->>" | "#>>" if is_json(first) => (|place, _| place == 0, TEXT),
            _ => (|_, _| false, 0),
        };
        for (place, side) in sides.iter().enumerate() {
            if !built_in || !fits(place, self.is_single(side)) {
                self.probe(side);
            }
        }
        if built_in { ty } else { 0 }
    }

    /// The same of a cast.
    pub(super) fn cast_asks(&self, value: &Value, to: &protobuf::TypeName) {
        let names = strings(&to.names);
        let name = match names.as_deref() {
            Some([name] | ["pg_catalog", name]) => *name,
            _ => "",
        };
        let single = to.array_bounds.is_empty() && !to.setof && !to.pct_type;
        let mut named = self.catalog().types_named(name);
        let built_in = named.all(|ty| &*ty.schema == "pg_catalog" && ty.oid < FIRST_OWN);
        let mut texts = TEXTS.iter();
        let to_text = texts.any(|(known, _)| *known == name) && self.is_read_by_server(value.ty);
        let number = match name {
            "int4" => INT4,
            "int8" => INT8,
            "numeric" => NUMERIC,
            "float8" => FLOAT8,
            _ => 0,
        };
        let wider = wider(value.ty, number) && to.typmods.is_empty();
        if !(single && built_in && (to_text || wider)) {
            self.probe(value);
        }
    }

    /// The same of another collation.
    pub(super) fn collation_asks(&self, value: &Value, to: &protobuf::CollateClause) {
        let is_first = |path: &SearchPath| match path {
            SearchPath::Known(path) => {
                let mut places = path.iter();
                matches!(
                    places.position(|schema| **schema == *"pg_catalog"),
                    None | Some(0)
                )
            }
            SearchPath::Unknown => false,
        };
        let differs = match strings(&to.collname).as_deref() {
            Some(["pg_catalog", _]) => true,
            Some([name]) => COLLATIONS.contains(name) && is_first(self.path),
            _ => false,
        };
        if !differs {
            self.probe(value);
        }
    }

    /// Whether a value is of a type that is no array, row or the like: masked fully, all values are the same.
    pub(super) fn is_single(&self, value: &Value) -> bool {
        let kind = |ty: u32| self.catalog().ty(ty).map(|ty| ty.kind);
        let ty = match kind(value.ty) {
            Some(TypeKind::Domain(base, _)) => base,
            _ => value.ty,
        };
        match kind(ty) {
            // Of bits there are as many as before.
            Some(TypeKind::Base) => ty < FIRST_OWN && !matches!(ty, BIT | VARBIT),
            Some(TypeKind::Enum) => true,
            _ => false,
        }
    }

    /// Whether the server alone knows how values of this type are written.
    fn is_read_by_server(&self, ty: u32) -> bool {
        let kind = self.catalog().ty(ty).map(|ty| ty.kind);
        ty < FIRST_OWN || !matches!(kind, None | Some(TypeKind::Base | TypeKind::Other))
    }
}

pub(super) fn is_text(ty: u32) -> bool {
    TEXTS.iter().any(|(_, known)| *known == ty)
}

pub(super) fn is_json(ty: u32) -> bool {
    matches!(ty, JSON | JSONB)
}

fn is_whole(value: &Value) -> bool {
    matches!(value.ty, INT2 | INT4 | INT8)
}

fn is_time(args: &[Value]) -> bool {
    let ty = args.first().map_or(0, |arg| arg.ty);
    matches!(ty, DATE | TIME | TIMESTAMP | TIMESTAMPTZ | INTERVAL)
}

/// Whether every number of a type is one of another.
pub(super) fn wider(from: u32, to: u32) -> bool {
    let mut known = WIDER.iter();
    known.any(|(it, others)| *it == from && others.contains(&to))
}

fn is_number(node: &protobuf::Node) -> bool {
    match &node.node {
        Some(Node::AConst(constant)) => matches!(constant.val, Some(Val::Ival(_))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        assert!(FUNCTIONS.is_sorted_by_key(|(name, ..)| name));
    }
}
