//! In which order the values of a link stand. They stand in the order of the pairs of the revision that wrote them; after
//! a mapping was changed, they are put into the present order by their columns, so that nothing is sent but what the
//! change asks for.

use std::collections::HashMap;

use pandaport_import::{Baseline, CellSpec, MappingSpec};
use pandaport_store::mappings;

use crate::halt::Halt;
use crate::plan::parse;
use crate::run::Run;

/// The column orders of revisions before (or, for a dry run, after) the one that is run.
#[derive(Default)]
pub(super) struct Orders(HashMap<i64, Vec<String>>);

impl Orders {
    /// Reads those of these revisions that are not known yet. After most mappings' first import that is none.
    pub(super) async fn learn(&mut self, run: &Run, revisions: Vec<i64>) -> Result<(), Halt> {
        let row = &run.slice.row;
        for revision in revisions {
            if revision == row.revision || self.0.contains_key(&revision) {
                continue;
            }
            let spec = mappings::spec(&run.store, &row.tenant, row.mapping_id, revision).await?;
            let spec: MappingSpec = parse("mapping", &spec)?;
            self.0.insert(revision, spec.column_order().map(ToOwned::to_owned).collect());
        }
        Ok(())
    }

    /// The values of a link in the order of the cells.
    pub(super) fn align(&self, revision: i64, cells: &[CellSpec], baseline: Baseline) -> Baseline {
        match self.0.get(&revision) {
            Some(order) => baseline.realigned(order, cells.iter().map(|cell| cell.column_id.as_str())),
            None => baseline,
        }
    }
}
