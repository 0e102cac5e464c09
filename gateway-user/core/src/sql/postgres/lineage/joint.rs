//! Values of several types that become one: in `CASE`, `coalesce`, `greatest`, `UNION`, `VALUES`, arrays.
//!
//! The server brings all of them to one type. Where a value may not fit into it, the statement fails for that
//! value, which asks it as much as a cast does.

use pg_query::protobuf::{self, SqlValueFunctionOp, a_const::Val};

use super::kinds::{
    BOOL, BPCHAR, BYTEA, DATE, FLOAT8, INT4, INT8, INTERVAL, JSON, JSONB, NAME, NUMERIC, TEXT,
    TIMESTAMP, TIMESTAMPTZ, TIMETZ, UNKNOWN, UUID, VARCHAR, XML, alone, common, wider,
};
use super::tracer::Tracer;
use super::value::{Fields, Value};

/// Types from which the server goes to no other by itself, or to any text.
const STAY: [u32; 14] = [
    BOOL,
    BYTEA,
    NAME,
    TEXT,
    JSON,
    XML,
    FLOAT8,
    BPCHAR,
    VARCHAR,
    TIMESTAMPTZ,
    INTERVAL,
    TIMETZ,
    UUID,
    JSONB,
];

impl Tracer<'_> {
    /// Notes which of these may not fit into the type that all are brought to; that type, 0 if it is not known.
    pub(super) fn join_types<'v>(&self, values: impl IntoIterator<Item = &'v Value>) -> u32 {
        let values: Vec<&Value> = values.into_iter().collect();
        let mut types: Vec<u32> = values.iter().map(|value| value.ty).collect();
        let joined = types.iter().copied().reduce(common).unwrap_or(0);
        types.sort_unstable();
        types.dedup();
        self.steps(types.len());
        // One alone is brought to nothing.
        let is_one = values.len() == 1;
        for value in values {
            let fits = |other: &u32| fits(value.ty, *other);
            if !(is_one || types.iter().all(fits)) {
                self.probe(value);
            }
        }
        alone(joined)
    }

    /// The same of the columns of rows that come one after the other.
    pub(super) fn join_columns(&self, one: &Fields, other: &Fields) {
        let columns = one.list.iter().zip(other.list.iter());
        for (one, other) in columns {
            self.join_types([&one.value, &other.value]);
        }
        for (known, beside) in [(one, other), (other, one)] {
            if beside.open && !known.open {
                self.probe_masks(&known.masks());
            }
        }
    }

    /// The same of the elements of an array, which are of the same size if they are arrays; its type.
    pub(super) fn join_elements<'v>(&self, values: impl IntoIterator<Item = &'v Value>) -> u32 {
        let values: Vec<&Value> = values.into_iter().collect();
        let element = self.join_types(values.iter().copied());
        for value in values {
            if value.fields.is_none() && !self.is_single(value) {
                self.probe(value);
            }
        }
        self.array_of(element)
    }
}

/// Whether something is so.
pub(super) fn truth(of: &Value) -> Value {
    Value {
        ty: BOOL,
        ..Value::mixed([of])
    }
}

/// The type of a constant.
pub(super) fn constant(constant: &protobuf::AConst) -> u32 {
    match &constant.val {
        _ if constant.isnull => UNKNOWN,
        Some(Val::Ival(_)) => INT4,
        // The least integer is read without its sign.
        Some(Val::Fval(number)) if number.fval.parse::<i32>().is_ok() => INT4,
        Some(Val::Fval(number)) if number.fval.parse::<i64>().is_ok() => INT8,
        Some(Val::Fval(number)) if number.fval.parse::<f64>().is_ok() => NUMERIC,
        Some(Val::Boolval(_)) => BOOL,
        Some(Val::Sval(_)) => UNKNOWN,
        _ => 0,
    }
}

/// The type of `CURRENT_DATE` and the like.
pub(super) fn current(function: &protobuf::SqlValueFunction) -> u32 {
    use SqlValueFunctionOp as Op;
    match Op::try_from(function.op) {
        Ok(Op::SvfopCurrentDate) => DATE,
        Ok(Op::SvfopCurrentTimestamp | Op::SvfopCurrentTimestampN) => TIMESTAMPTZ,
        Ok(Op::SvfopLocaltimestamp | Op::SvfopLocaltimestampN) => TIMESTAMP,
        _ => 0,
    }
}

/// Whether values of both are written alike.
pub(super) fn same(one: u32, other: u32) -> bool {
    let is_plain = |ty| matches!(ty, TEXT | VARCHAR);
    one == other || (is_plain(one) && is_plain(other))
}

/// Whether every value of a type is one of what it becomes beside another.
fn fits(ty: u32, other: u32) -> bool {
    let same = ty == other && ty != 0;
    same || other == UNKNOWN || STAY.contains(&ty) || wider(ty, other) || wider(other, ty)
}
