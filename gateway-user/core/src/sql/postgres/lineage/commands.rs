//! Statements that are no queries: `command`.

use pg_query::protobuf;

use super::Statement;
use super::tracer::Tracer;

/// What a statement does that is no `SELECT`, `INSERT`, `UPDATE`, `DELETE` or `MERGE`.
pub(super) fn command(_node: &protobuf::Node, _tracer: &Tracer) -> Statement {
    Statement::unknown()
}
