//! Nodes that name something beside relations and functions: operators, types, fields and parameters.
//!
//! What they name is noted only where somebody asks for it, see `Seen`; their children always are
//! walked.

use pg_query::protobuf;

use super::walk::{Place, Walk, Walker, string};

impl Walk for protobuf::AExpr {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            kind: _,
            name,
            lexpr,
            rexpr,
            rexpr_list_start: _,
            rexpr_list_end: _,
            location: _,
        } = self;
        walker.see(name, |seen| &mut seen.operators);
        name.walk(walker);
        lexpr.walk(walker);
        rexpr.walk(walker);
    }
}

impl Walk for protobuf::SubLink {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            xpr,
            sub_link_type: _,
            sub_link_id: _,
            testexpr,
            oper_name,
            subselect,
            location: _,
        } = self;
        walker.see(oper_name, |seen| &mut seen.operators);
        xpr.walk(walker);
        testexpr.walk(walker);
        oper_name.walk(walker);
        subselect.walk(walker);
    }
}

impl Walk for protobuf::SortBy {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            node,
            sortby_dir: _,
            sortby_nulls: _,
            use_op,
            location: _,
        } = self;
        walker.see(use_op, |seen| &mut seen.operators);
        node.walk(walker);
        use_op.walk(walker);
    }
}

impl Walk for protobuf::TypeName {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            names,
            type_oid: _,
            setof: _,
            pct_type: _,
            typmods,
            typemod: _,
            array_bounds,
            location: _,
        } = self;
        walker.see(names, |seen| &mut seen.types);
        names.walk(walker);
        typmods.walk(walker);
        array_bounds.walk(walker);
    }
}

impl Walk for protobuf::ColumnRef {
    fn walk(&self, walker: &mut Walker) {
        let Self { fields, location } = self;
        walker.see_place(Place::Column(*location));
        walker.column(fields);
        // `t.f` is a column of `t`, or where there is none the call `f(t)`.
        if fields.len() > 1 && fields.last().and_then(string).is_some() {
            walker.see(fields, |seen| &mut seen.fields);
        }
        fields.walk(walker);
    }
}

impl Walk for protobuf::ParamRef {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            number,
            location: _,
        } = self;
        walker.see_parameter(*number);
    }
}
