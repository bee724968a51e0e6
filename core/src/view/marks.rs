//! Steps at which something happened, in a bounded amount of memory.

/// What a mark on the x axis stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkKind {
    /// A checkpoint was written.
    Checkpoint,
    /// An edit of the configuration came into force.
    ConfigChange,
    /// Training waited for a command.
    Pause,
    /// A value was not finite, or the step was skipped.
    NotFinite,
}

/// How many separate marks are kept.
const LIMIT: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: u64,
    last: u64,
    count: u64,
}

/// Steps in ascending order, each as often as it was marked.
///
/// Beyond 4096 of them neighbours are put together, which no screen is wide enough to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    spans: Vec<Span>,
}

impl Marks {
    /// Marks a step, which is not before the last one.
    pub fn push(&mut self, step: u64) {
        if let Some(newest) = self.spans.last_mut()
            && newest.last >= step
        {
            newest.count += 1;
            return;
        }
        if self.spans.len() == LIMIT {
            self.coarsen();
        }
        self.spans.push(Span {
            first: step,
            last: step,
            count: 1,
        });
    }

    fn coarsen(&mut self) {
        let pairs = self.spans.chunks(2).map(|pair| Span {
            first: pair[0].first,
            last: pair[pair.len() - 1].last,
            count: pair.iter().map(|span| span.count).sum(),
        });
        self.spans = pairs.collect();
    }

    /// Drops the marks after `step`.
    pub fn rewind(&mut self, step: u64) {
        self.spans.retain(|span| span.first <= step);
        if let Some(newest) = self.spans.last_mut() {
            newest.last = newest.last.min(step);
        }
    }

    /// How many marks there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.spans.iter().map(|span| span.count).sum()
    }

    /// The first and the last step marked.
    #[must_use]
    pub fn ends(&self) -> Option<(u64, u64)> {
        Some((self.spans.first()?.first, self.spans.last()?.last))
    }

    /// How many marks lie at steps from `first` to `last`, both included.
    #[must_use]
    pub fn count_within(&self, first: u64, last: u64) -> u64 {
        let from = self.spans.partition_point(|span| span.last < first);
        let inside = self.spans[from..].iter().take_while(|s| s.first <= last);
        inside.map(|span| span.count).sum()
    }

    /// The steps marked; where neighbours were put together, both ends.
    pub fn steps(&self) -> impl Iterator<Item = u64> + '_ {
        self.spans.iter().flat_map(|span| {
            let end = (span.last != span.first).then_some(span.last);
            std::iter::once(span.first).chain(end)
        })
    }

    /// The same as far as they lie from `first` to `last`: where neighbours were put together
    /// across one of those, that one stands for the end beyond it.
    pub fn steps_within(&self, first: u64, last: u64) -> impl Iterator<Item = u64> + '_ {
        let from = self.spans.partition_point(|span| span.last < first);
        let inside = self.spans[from..]
            .iter()
            .take_while(move |span| span.first <= last);
        inside.flat_map(move |span| {
            let (start, end) = (span.first.max(first), span.last.min(last));
            std::iter::once(start).chain((end != start).then_some(end))
        })
    }

    /// Bytes of memory that the marks take up.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.spans.capacity() * size_of::<Span>()
    }
}
