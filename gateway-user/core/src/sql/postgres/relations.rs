//! Names of relations and functions, as the server would resolve them, wherever they are written.
//!
//! Which schema an unqualified name belongs to depends on the search path: see `path`.

use pg_query::protobuf::{self, ObjectType, PublicationObjSpecType, node::Node};

use super::unit::Effect;
use super::walk::{Access, Place, Walk, Walker, constant, string, strings};
use super::{catalog, texts};
use crate::facts::{Name, Schema};

/// Settings that the search path depends on: itself, and the current role, which `"$user"` stands
/// for and whose rights decide which of the schemas count.
pub const DECIDE_PATH: [&str; 3] = ["search_path", "role", "session_authorization"];

impl Walker {
    /// Notes that the current unit uses a relation.
    pub(super) fn relation(&mut self, relation: &protobuf::RangeVar, access: Access) {
        let protobuf::RangeVar {
            catalogname: _, // The server accepts no other than the current database.
            schemaname,
            relname,
            inh: _,
            relpersistence: _,
            alias: _,
            location: _,
        } = relation;
        self.named(schemaname, relname, access);
    }

    /// Notes that the current unit uses a relation whose name is a list of strings.
    pub(super) fn listed(&mut self, names: &[&str], access: Access) {
        match names {
            [name] => self.named("", name, access),
            [.., schema, name] => self.named(schema, name, access),
            [] => self.lose_tables(),
        }
    }

    fn named(&mut self, schema: &str, relation: &str, access: Access) {
        let schema = match schema {
            "" => self.search_path.schema_of(relation),
            schema => Schema::In(schema.into()),
        };
        let name = Name {
            schema,
            name: relation.into(),
        };
        self.note(|unit| {
            unit.tables.add(&name);
            match access {
                Access::Read => unit.reads.add(&name),
                Access::Write => unit.writes.add(&name),
            }
        });
        // Rules on this view turn an `UPDATE` into calls of `set_config`.
        if access == Access::Write && relation == "pg_settings" {
            self.unsettled(None);
        }
    }

    /// Notes that the current unit names a function.
    pub(super) fn function(&mut self, names: &[protobuf::Node]) {
        let names = strings(names);
        let (schema, name) = match names.as_deref() {
            Some([name]) => (self.search_path.schema_of_function(), *name),
            Some([.., schema, name]) => (Schema::In((*schema).into()), *name),
            Some([]) | None => return self.lose(),
        };
        let name = Name {
            schema,
            name: name.into(),
        };
        self.note(|unit| unit.functions.add(&name));
        if catalog::runs_text(&name.name) && !texts::known(&name.name) {
            self.lose_tables();
        }
    }

    /// Notes that the current unit changes the setting `name`, or one that is not known.
    pub(super) fn unsettled(&mut self, name: Option<&str>) {
        self.note_run(|unit| unit.set(name));
        let is = |setting: &str| name.is_none_or(|name| name.eq_ignore_ascii_case(setting));
        if DECIDE_PATH.into_iter().any(is) {
            self.effect(Effect::SearchPathChanged);
        }
        if is("standard_conforming_strings") || is("client_encoding") {
            self.effect(Effect::ReadingChanged);
        }
    }

    /// Notes what an object of this type, named as `DROP`, `COMMENT ON` and their kin do, is or
    /// belongs to.
    pub(super) fn object(&mut self, of: i32, object: &protobuf::Node) {
        let items: &[protobuf::Node] = match &object.node {
            Some(Node::List(list)) => &list.items,
            _ => std::slice::from_ref(object),
        };
        match ObjectType::try_from(of) {
            Ok(
                ObjectType::ObjectTable
                | ObjectType::ObjectView
                | ObjectType::ObjectMatview
                | ObjectType::ObjectIndex
                | ObjectType::ObjectSequence
                | ObjectType::ObjectForeignTable,
            ) => self.object_list(items),
            Ok(
                ObjectType::ObjectColumn
                | ObjectType::ObjectRule
                | ObjectType::ObjectTrigger
                | ObjectType::ObjectPolicy
                | ObjectType::ObjectTabconstraint,
            ) => match items.split_last() {
                Some((_, relation)) => self.object_list(relation),
                None => self.lose(),
            },
            Ok(ObjectType::Undefined) | Err(_) => self.lose(),
            // Others have no relation in their name; functions are nodes of their own.
            Ok(_) => object.walk(self),
        }
    }

    fn object_list(&mut self, names: &[protobuf::Node]) {
        match strings(names) {
            Some(names) => self.listed(&names, Access::Write),
            None => self.lose(),
        }
    }
}

impl Walk for protobuf::RangeVar {
    fn walk(&self, walker: &mut Walker) {
        walker.see_place(Place::Relation(self.location));
        let hidden = self.schemaname.is_empty()
            && walker.access == Access::Read
            && walker.sees_cte(&self.relname);
        if !hidden {
            walker.relation(self, walker.access);
        }
    }
}

impl Walk for protobuf::TableLikeClause {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            relation,
            options: _,
            relation_oid: _,
        } = self;
        walker.with_access(Access::Read, |walker| relation.walk(walker));
    }
}

impl Walk for protobuf::RangeTableSample {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            relation,
            method,
            args,
            repeatable,
            location: _,
        } = self;
        relation.walk(walker);
        walker.call(method);
        args.walk(walker);
        repeatable.walk(walker);
    }
}

impl Walk for protobuf::FuncCall {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            funcname,
            args,
            agg_order,
            agg_filter,
            over,
            agg_within_group: _,
            agg_star: _,
            agg_distinct: _,
            func_variadic: _,
            funcformat: _,
            location,
        } = self;
        walker.see_place(Place::Call(*location));
        walker.call(funcname);
        if funcname.last().and_then(string) == Some("set_config") {
            walker.unsettled(args.first().and_then(constant));
        }
        if let Some(names) = strings(funcname) {
            texts::given(self, &names, walker);
        }
        args.walk(walker);
        agg_order.walk(walker);
        agg_filter.walk(walker);
        over.walk(walker);
    }
}

impl Walk for protobuf::AIndirection {
    fn walk(&self, walker: &mut Walker) {
        let Self { arg, indirection } = self;
        arg.walk(walker);
        for step in indirection {
            // `(x).f` is a field of `x`, or where there is none the call `f(x)`.
            if string(step).is_some() {
                walker.field(step);
            }
            step.walk(walker);
        }
    }
}

impl Walk for protobuf::ObjectWithArgs {
    fn walk(&self, walker: &mut Walker) {
        // Names a function or an operator; its arguments are types.
        let Self {
            objname,
            objargs: _,
            objfuncargs,
            args_unspecified: _,
        } = self;
        walker.function(objname);
        objfuncargs.walk(walker);
    }
}

impl Walk for protobuf::DefElem {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            defnamespace: _,
            defname,
            arg,
            defaction: _,
            location: _,
            arg_location: _,
        } = self;
        match (
            defname.as_str(),
            arg.as_deref().and_then(|arg| arg.node.as_ref()),
        ) {
            // Of a sequence: a column, or `NONE`.
            ("owned_by", Some(Node::List(list))) => match strings(&list.items).as_deref() {
                Some([_]) => {}
                Some([relation @ .., _]) => walker.listed(relation, Access::Write),
                _ => walker.lose(),
            },
            ("sequence_name", Some(Node::List(list))) => match strings(&list.items) {
                Some(names) => walker.listed(&names, Access::Write),
                None => walker.lose(),
            },
            _ => arg.walk(walker),
        }
    }
}

impl Walk for protobuf::PublicationObjSpec {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            pubobjtype,
            name: _,
            pubtable,
            location: _,
        } = self;
        match PublicationObjSpecType::try_from(*pubobjtype) {
            Ok(PublicationObjSpecType::PublicationobjTable) => {}
            // All tables of a schema, or whatever the one before was.
            _ => walker.lose_tables(),
        }
        pubtable.walk(walker);
    }
}
