//! Statements that define, change and drop objects, as far as they name relations or functions in
//! places of their own, or hold queries.
//!
//! Called by `statements`, which makes the units; what `verbs` and `commands` say of the others is
//! enough.

use pg_query::protobuf::{self, DropBehavior, GrantTargetType, ObjectType, node::Node};

use super::bodies;
use super::queries::statement;
use super::walk::{Access, Walk, Walker};

/// Whether other objects go with the ones that are named.
pub(super) fn cascades(behavior: i32) -> bool {
    behavior != i32::from(DropBehavior::DropRestrict)
}

impl Walk for protobuf::CreateFunctionStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            is_procedure: _,
            replace: _,
            funcname,
            parameters,
            return_type,
            options,
            sql_body,
        } = self;
        walker.function(funcname);
        parameters.walk(walker);
        return_type.walk(walker);
        options.walk(walker);
        match sql_body {
            Some(body) => body_of(body, walker),
            None => bodies::routine(options, walker),
        }
    }
}

/// `BEGIN ATOMIC … END` is a list in a list of statements, `RETURN …` a node.
fn body_of(node: &protobuf::Node, walker: &mut Walker) {
    match &node.node {
        Some(Node::List(list)) => walker.descend(|walker| {
            list.items.iter().for_each(|item| body_of(item, walker));
        }),
        _ => statement(node, walker),
    }
}

impl Walk for protobuf::DropStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            objects,
            remove_type,
            behavior,
            missing_ok: _,
            concurrent: _,
        } = self;
        for object in objects {
            walker.object(*remove_type, object);
        }
        let holds_relations = [ObjectType::ObjectSchema, ObjectType::ObjectExtension]
            .map(i32::from)
            .contains(remove_type);
        if holds_relations || cascades(*behavior) {
            walker.lose_tables();
        }
    }
}

impl Walk for protobuf::RenameStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            rename_type,
            relation_type: _,
            relation,
            object,
            subname: _,
            newname,
            behavior: _,
            missing_ok: _,
        } = self;
        relation.walk(walker);
        if let Some(object) = object {
            walker.object(*rename_type, object);
        }
        // The new name of a relation is touched as well: rules about it hold from now on.
        let renames = [
            ObjectType::ObjectTable,
            ObjectType::ObjectView,
            ObjectType::ObjectMatview,
            ObjectType::ObjectIndex,
            ObjectType::ObjectSequence,
            ObjectType::ObjectForeignTable,
        ];
        if let Some(relation) = relation
            && renames.map(i32::from).contains(rename_type)
        {
            let renamed = protobuf::RangeVar {
                relname: newname.clone(),
                ..relation.clone()
            };
            renamed.walk(walker);
        }
        if [ObjectType::ObjectSchema]
            .map(i32::from)
            .contains(rename_type)
        {
            walker.lose_tables();
        }
    }
}

impl Walk for protobuf::AlterObjectDependsStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            object_type,
            relation,
            object,
            extname: _,
            remove: _,
        } = self;
        relation.walk(walker);
        // With a relation, the object is the name of a trigger and the like alone.
        if let (None, Some(object)) = (relation, object) {
            walker.object(*object_type, object);
        }
    }
}

impl Walk for protobuf::AlterObjectSchemaStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            object_type,
            relation,
            object,
            newschema,
            missing_ok: _,
        } = self;
        relation.walk(walker);
        if let Some(object) = object {
            walker.object(*object_type, object);
        }
        if let Some(relation) = relation {
            let moved = protobuf::RangeVar {
                schemaname: newschema.clone(),
                ..relation.clone()
            };
            moved.walk(walker);
        }
        if *object_type == i32::from(ObjectType::ObjectExtension) {
            walker.lose_tables();
        }
    }
}

impl Walk for protobuf::AlterOwnerStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            object_type,
            relation,
            object,
            newowner: _,
        } = self;
        relation.walk(walker);
        if let Some(object) = object {
            walker.object(*object_type, object);
        }
    }
}

impl Walk for protobuf::CommentStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            objtype,
            object,
            comment: _,
        } = self;
        object
            .iter()
            .for_each(|object| walker.object(*objtype, object));
    }
}

impl Walk for protobuf::SecLabelStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            objtype,
            object,
            provider: _,
            label: _,
        } = self;
        object
            .iter()
            .for_each(|object| walker.object(*objtype, object));
    }
}

impl Walk for protobuf::AlterExtensionContentsStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            extname: _,
            action: _,
            objtype,
            object,
        } = self;
        object
            .iter()
            .for_each(|object| walker.object(*objtype, object));
    }
}

impl Walk for protobuf::GrantStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            is_grant: _,
            targtype,
            objtype,
            objects,
            privileges,
            grantees,
            grant_option: _,
            grantor: _,
            behavior: _,
        } = self;
        if GrantTargetType::try_from(*targtype) == Ok(GrantTargetType::AclTargetObject) {
            objects
                .iter()
                .for_each(|object| walker.object_granted(*objtype, object));
        } else {
            walker.lose();
        }
        privileges.walk(walker);
        grantees.walk(walker);
    }
}

impl Walker {
    /// `GRANT` holds relations as such, and other objects as `DROP` does.
    fn object_granted(&mut self, of: i32, object: &protobuf::Node) {
        match &object.node {
            Some(Node::RangeVar(_) | Node::ObjectWithArgs(_)) => object.walk(self),
            _ => self.object(of, object),
        }
    }
}

impl Walk for protobuf::CreateStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            relation,
            table_elts,
            inh_relations,
            partbound,
            partspec,
            of_typename,
            constraints,
            nnconstraints,
            options,
            oncommit: _,
            tablespacename: _,
            access_method: _,
            if_not_exists: _,
        } = self;
        relation.walk(walker);
        table_elts.walk(walker);
        inh_relations.walk(walker);
        partbound.walk(walker);
        partspec.walk(walker);
        of_typename.walk(walker);
        constraints.walk(walker);
        nnconstraints.walk(walker);
        options.walk(walker);
    }
}

impl Walk for protobuf::Constraint {
    fn walk(&self, walker: &mut Walker) {
        // Only these fields hold more than columns of the table itself.
        self.raw_expr.walk(walker);
        self.exclusions.walk(walker);
        self.options.walk(walker);
        self.where_clause.walk(walker);
        // The server looks rows up in the table that is referred to, and gives it triggers.
        walker.with_access(Access::Read, |walker| self.pktable.walk(walker));
        walker.with_access(Access::Write, |walker| self.pktable.walk(walker));
    }
}

impl Walk for protobuf::AlterTableCmd {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            subtype: _,
            name: _,
            num: _,
            newowner: _,
            def,
            behavior,
            missing_ok: _,
            recurse: _,
        } = self;
        def.walk(walker);
        if *behavior == i32::from(DropBehavior::DropCascade) {
            walker.lose_tables();
        }
    }
}
