//! `unnest` in `FROM`: the names of its columns, where it takes arrays apart that hold no rows.
//!
//! Of rows it has their columns, and of which type they are is not known here. A name that is none of its
//! columns means something else, so that nothing is said before it is certain that there are none.

use std::iter;

use pg_query::protobuf::{self, SubLinkType, a_const::Val, node::Node};

use super::catalog::TypeKind;
use super::routines::in_path;
use super::scope::Scope;
use super::tracer::Tracer;
use super::value::{Field, Fields, Value};
use crate::sql::postgres::walk::strings;

impl Tracer<'_> {
    /// The columns of `unnest` if nothing that it is given is masked, and no array of rows; `alias` is what
    /// it goes by if it is the only function.
    pub(super) fn unnested(
        &self,
        node: &protobuf::Node,
        value: &Value,
        alias: Option<&str>,
        scope: &Scope,
    ) -> Option<Fields> {
        let Some(Node::FuncCall(function)) = &node.node else {
            return None;
        };
        let names = strings(&function.funcname)?;
        let is_meant = matches!(&*names, ["unnest"] | ["pg_catalog", "unnest"]);
        let is_server = in_path(self, &names).all(|schema| schema == "pg_catalog");
        let is_flat = |arg| self.is_flat_array(arg, scope);
        let args = &function.args;
        if value.tainted() || !is_meant || !is_server || !args.iter().all(is_flat) {
            return None;
        }
        // Of several arrays each is a function of its own.
        let name = alias.filter(|_| args.len() == 1).unwrap_or("unnest");
        let column = iter::repeat_with(|| Field::new(name, Value::clean().unclear()));
        Some(Fields::of(column.take(args.len()).collect()))
    }

    /// Whether it is sure to be an array of values that have no columns.
    fn is_flat_array(&self, node: &protobuf::Node, scope: &Scope) -> bool {
        match &node.node {
            Some(Node::AArrayExpr(array)) => {
                let quoted = |node: &protobuf::Node| match &node.node {
                    Some(Node::AConst(it)) => it.isnull || matches!(it.val, Some(Val::Sval(_))),
                    _ => false,
                };
                // They all have one type: that of those that have one by themselves, or else texts.
                let elements = &array.elements;
                let flat = |node| self.is_flat(node, scope) || self.is_flat_array(node, scope);
                !elements.is_empty() && (elements.iter().all(quoted) || elements.iter().any(flat))
            }
            Some(Node::TypeCast(cast)) => {
                let to = cast.type_name.as_ref();
                to.is_some_and(|to| match to.array_bounds.is_empty() {
                    true => self.all_types(to, |ty| self.holds_values(ty)),
                    false => self.all_types(to, |ty| self.has_no_columns(ty)),
                })
            }
            Some(Node::CoalesceExpr(one)) => {
                one.args.iter().any(|arg| self.is_flat_array(arg, scope))
            }
            Some(Node::ColumnRef(_)) => self.holds_values(self.type_of(node, scope)),
            Some(Node::FuncCall(function)) => {
                let Some(names) = strings(&function.funcname) else {
                    return false;
                };
                let named = names
                    .last()
                    .map(|name| self.catalog().functions_named(name));
                let mut returned = named.into_iter().flatten().map(|it| it.returns);
                in_path(self, &names).all(|schema| schema == "pg_catalog")
                    && in_path(self, &names).next().is_some()
                    && returned.all(|ty| self.holds_values(ty))
            }
            Some(Node::SubLink(link)) => {
                let is_array = SubLinkType::try_from(link.sub_link_type);
                let query = link.subselect.as_deref();
                let query = query.filter(|_| is_array == Ok(SubLinkType::ArraySublink));
                let fields = query.map(|query| self.aside(|| self.rows(query, scope)).0);
                fields.is_some_and(|fields| match &*fields.list {
                    [field] if !fields.open => {
                        self.has_no_columns(field.value.ty) || self.holds_values(field.value.ty)
                    }
                    _ => false,
                })
            }
            _ => false,
        }
    }

    /// Whether it is sure to be a value that has no columns, by its type.
    fn is_flat(&self, node: &protobuf::Node, scope: &Scope) -> bool {
        match &node.node {
            Some(Node::AConst(constant)) => matches!(
                constant.val,
                Some(Val::Ival(_) | Val::Fval(_) | Val::Boolval(_))
            ),
            Some(Node::TypeCast(cast)) => {
                let to = cast.type_name.as_ref();
                to.is_some_and(|to| {
                    to.array_bounds.is_empty() && self.all_types(to, |ty| self.has_no_columns(ty))
                })
            }
            Some(Node::ColumnRef(_)) => self.has_no_columns(self.type_of(node, scope)),
            _ => false,
        }
    }

    /// Whether what was traced before may be a row with a field of this name.
    pub(super) fn may_have(&self, node: &protobuf::Node, name: &str, scope: &Scope) -> bool {
        let value = self.aside(|| self.value(node, scope)).0;
        if let Some(fields) = &value.fields {
            return fields.named(name).is_some();
        }
        let is_value = |ty: u32| self.has_no_columns(ty) || self.holds_values(ty);
        match &node.node {
            Some(
                Node::ColumnRef(_)
                | Node::RowExpr(_)
                | Node::SubLink(_)
                | Node::CaseExpr(_)
                | Node::CoalesceExpr(_)
                | Node::MinMaxExpr(_)
                | Node::AIndirection(_)
                | Node::TypeCast(_),
            ) => !is_value(value.ty),
            Some(Node::FuncCall(function)) => {
                let names = strings(&function.funcname).unwrap_or_default();
                let named = names.last().map(|it| self.catalog().functions_named(it));
                let mut returned = named.into_iter().flatten().map(|it| it.returns);
                names.is_empty() || !returned.all(is_value)
            }
            Some(Node::AExpr(expression)) => {
                let names = strings(&expression.name).unwrap_or_default();
                let named = names.last().map(|it| self.catalog().operators_named(it));
                !named.is_some_and(<[_]>::is_empty)
            }
            _ => false,
        }
    }

    /// The type of a column, which was traced before.
    fn type_of(&self, node: &protobuf::Node, scope: &Scope) -> u32 {
        self.aside(|| self.value(node, scope)).0.ty
    }

    /// Whether all types that a name may mean are such, and it means any.
    fn all_types(&self, to: &protobuf::TypeName, such: impl Fn(u32) -> bool) -> bool {
        let names = strings(&to.names).filter(|_| !to.setof && !to.pct_type);
        let Some((name, schema)) = names.as_deref().and_then(<[_]>::split_last) else {
            return false;
        };
        let types = self.catalog().types_named(name);
        let meant = |known: &str| schema.last().is_none_or(|schema| *schema == known);
        let mut types = types.filter(|ty| meant(&ty.schema)).peekable();
        types.peek().is_some() && types.all(|ty| such(ty.oid))
    }

    /// Whether it is a type of arrays whose elements have no columns.
    fn holds_values(&self, ty: u32) -> bool {
        match self.catalog().ty(ty).map(|ty| ty.kind) {
            Some(TypeKind::Array(element)) => self.has_no_columns(element),
            _ => false,
        }
    }

    /// Whether it is a type of values that have no columns.
    fn has_no_columns(&self, ty: u32) -> bool {
        let mut ty = ty;
        for _ in 0..8 {
            match self.catalog().ty(ty).map(|ty| ty.kind) {
                Some(TypeKind::Base | TypeKind::Enum) => return true,
                Some(TypeKind::Domain(base, _)) => ty = base,
                _ => return false,
            }
        }
        false
    }
}
