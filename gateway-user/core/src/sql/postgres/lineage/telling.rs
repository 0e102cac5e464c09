//! What is computed from a masked value without telling of it by failing, or by being NULL.
//!
//! A result that is made of a masked value is masked fully, but whether there is one is seen: the statement
//! fails, or the result is NULL. So whatever may do either for some values and not for others asks a question
//! of them, just as `WHERE` does, and counts as probing. What does neither is listed, by the types of what it is
//! given (`forms`); all else asks. Comparing always does: `email IN ('a', NULL)` is NULL where it is not true.
//!
//! That a text is too long for the server's memory, and how long something takes, is left out. So is that a
//! date or time is infinite, or further away than others go, and the shape of arrays and documents.

use pg_query::protobuf::{self, a_const::Val, node::Node};

use super::catalog::FIRST_OWN;
use super::forms::{Arg, Form, Returns, forms};
use super::kinds::{
    BYTEA, FLOAT8, INT4, INT8, JSONB, NUMERIC, Side, TEXT, TEXTS, UNKNOWN, common, is_text,
    is_whole, wider,
};
use super::tracer::Tracer;
use super::value::Value;
use crate::sql::postgres::walk::strings;

/// Whether an argument is what a function is listed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// No, or it cannot be told.
    No,
    /// It may be, and is nothing masked.
    Maybe,
    /// It is.
    Sure,
}

impl Tracer<'_> {
    /// Notes which masked arguments of a function it asks something of; the type of its result, 0 if it is not
    /// known. `nodes` are the arguments as they are written, if they are.
    pub(super) fn asks(&self, names: &[&str], nodes: &[protobuf::Node], args: &[Value]) -> u32 {
        let is_named = |node: &protobuf::Node| matches!(node.node, Some(Node::NamedArgExpr(_)));
        let found = match nodes.iter().any(is_named) || !self.is_servers_own(names) {
            true => None,
            false => self.form(names, nodes, args),
        };
        let Some((form, fit)) = found else {
            args.iter().for_each(|arg| self.probe(arg));
            return 0;
        };
        for (place, arg) in args.iter().enumerate() {
            if matches!(form.at(place), None | Some(Arg::Said | Arg::Number)) {
                self.probe(arg);
            }
        }
        let first = args.first().map_or(0, |arg| self.certain(arg.ty));
        let ty = match (form.returns, args) {
            (Returns::Is(ty), _) => ty,
            (Returns::First, _) => first,
            (Returns::Array, _) => self.array_of(first),
            (Returns::Joined, [one, _, other]) => {
                self.join_types([one, other]);
                if one.ty == other.ty { first } else { 0 }
            }
            (Returns::Joined, _) => 0,
        };
        if fit == Fit::Sure { ty } else { 0 }
    }

    /// Whether a name can mean nothing but a function that the server brings along, and means one.
    fn is_servers_own(&self, names: &[&str]) -> bool {
        let (schema, name) = match names {
            [.., schema, name] => (Some(*schema), *name),
            [name] => (None, *name),
            [] => return false,
        };
        let named = self.catalog().functions_named(name).iter();
        let mut meant = named.filter(|it| schema.is_none_or(|schema| *it.schema == *schema));
        let is_own = |schema: &str, oid: u32| schema == "pg_catalog" && oid < FIRST_OWN;
        meant
            .clone()
            .next()
            .is_some_and(|_| meant.all(|it| is_own(&it.schema, it.oid)))
    }

    /// The form that these arguments are of, and how sure that is.
    fn form(
        &self,
        names: &[&str],
        nodes: &[protobuf::Node],
        args: &[Value],
    ) -> Option<(&'static Form, Fit)> {
        let name = names.last().copied().unwrap_or_default();
        let is_clear = Value::mixed(args).collation.is_servers();
        let fit = |form: &Form| {
            let fits = args.iter().enumerate().map(|(place, arg)| {
                let wanted = form.at(place);
                wanted.map_or(Fit::No, |wanted| {
                    self.fit(wanted, arg, nodes.get(place), is_clear)
                })
            });
            match form.takes(args.len()) {
                true => fits.min().unwrap_or(Fit::No),
                false => Fit::No,
            }
        };
        let mut fitting = forms(name).iter().map(|form| (form, fit(form)));
        fitting.find(|(_, fit)| *fit != Fit::No)
    }

    fn fit(&self, wanted: Arg, arg: &Value, node: Option<&protobuf::Node>, is_clear: bool) -> Fit {
        let base = self.base(arg.ty);
        let fits = match wanted {
            Arg::Any | Arg::Said => true,
            Arg::Text => is_text(base) || base == UNKNOWN,
            Arg::Clear => is_clear && (is_text(base) || base == UNKNOWN),
            Arg::Of(types) => types.contains(&base),
            Arg::Enum => self.is_enum(base),
            Arg::Shown => !arg.tainted() || self.is_shown(arg, true),
            Arg::Read => !arg.tainted() || self.is_shown(arg, false),
            Arg::Array => self.is_shown_array(base),
            Arg::Single => self.is_single(arg),
            Arg::Number => node.is_some_and(is_number) || is_whole(base),
        };
        let may_be = match wanted {
            Arg::Clear => is_clear,
            Arg::Enum | Arg::Number => false,
            _ => true,
        };
        match fits {
            true => Fit::Sure,
            false if may_be && !arg.tainted() && matches!(arg.ty, 0 | UNKNOWN) => Fit::Maybe,
            false => Fit::No,
        }
    }

    /// The same of an operator.
    pub(super) fn operator_asks(&self, names: &[&str], sides: &[Value]) -> u32 {
        let name = names.last().copied().unwrap_or_default();
        // Which of several operators of one name it is depends on types that are not always known here.
        let built_in = self.catalog().operators_named(name).is_empty();
        let ty = match (name, sides) {
            _ if !built_in => None,
            ("||", [one, other]) => self.concatenated(one, other),
            // A member that is not there is NULL as one is that is NULL.
            ("->" | "#>" | "->>" | "#>>", [document, member]) if document.ty == JSONB => {
                self.probe(member);
                Some(if name.ends_with(">>") { TEXT } else { JSONB })
            }
            _ => None,
        };
        ty.unwrap_or_else(|| {
            sides.iter().for_each(|side| self.probe(side));
            match sides {
                [one, other] if built_in && ["+", "-", "*", "/", "%"].contains(&name) => {
                    let whole = is_whole(one.ty) && is_whole(other.ty);
                    if whole { common(one.ty, other.ty) } else { 0 }
                }
                _ => 0,
            }
        })
    }

    /// The type of `one || other` if that asks nothing of them.
    fn concatenated(&self, one: &Value, other: &Value) -> Option<u32> {
        let open = |value: &Value| value.ty == 0 && !value.tainted();
        match (self.side(one), self.side(other)) {
            (Side::Text, Side::Text | Side::Literal | Side::Glued)
            | (Side::Literal | Side::Glued, Side::Text)
            | (Side::Glued, Side::Literal)
            | (Side::Literal, Side::Glued) => Some(TEXT),
            (Side::Bytes, Side::Bytes | Side::Literal) | (Side::Literal, Side::Bytes) => {
                Some(BYTEA)
            }
            (Side::Document, Side::Document | Side::Literal) | (Side::Literal, Side::Document) => {
                Some(JSONB)
            }
            // A parameter may be an array of texts, too.
            (Side::Text, _) if open(other) => Some(0),
            (_, Side::Text) if open(one) => Some(0),
            _ => None,
        }
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
        let to_text = texts.any(|(known, _)| *known == name) && self.is_shown(value, true);
        let number = match name {
            "int4" => INT4,
            "int8" => INT8,
            "numeric" => NUMERIC,
            "float8" => FLOAT8,
            _ => 0,
        };
        let wider = wider(self.base(value.ty), number) && to.typmods.is_empty();
        if !(single && built_in && (to_text || wider)) {
            self.probe(value);
        }
    }
}

fn is_number(node: &protobuf::Node) -> bool {
    match &node.node {
        Some(Node::AConst(constant)) => matches!(constant.val, Some(Val::Ival(_))),
        _ => false,
    }
}
