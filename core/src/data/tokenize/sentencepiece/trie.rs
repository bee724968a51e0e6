//! Finds all pieces that a text starts with, in one walk.

use std::ops::Range;

/// A tree of the pieces' bytes; the children of a node lie side by side, sorted by byte.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// The byte that leads to each node. The root's is not used.
    bytes: Vec<u8>,
}

#[derive(Debug, Default)]
struct Node {
    /// The piece that ends here.
    id: Option<u32>,
    children: Range<usize>,
}

impl Trie {
    /// Builds the tree of texts and their ids; of two equal texts the smaller id counts.
    pub(super) fn new<'a>(pieces: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let mut sorted: Vec<(&[u8], u32)> =
            pieces.map(|(text, id)| (text.as_bytes(), id)).collect();
        sorted.sort_unstable();
        sorted.dedup_by_key(|(text, _)| *text);
        let mut trie = Self {
            nodes: vec![Node::default()],
            bytes: vec![0],
        };
        // Nodes whose children are still to come, with the pieces below them.
        let mut open = vec![(0, 0, &sorted[..])];
        while let Some((node, depth, mut below)) = open.pop() {
            if let Some(((text, id), longer)) = below.split_first()
                && text.len() == depth
            {
                trie.nodes[node].id = Some(*id);
                below = longer;
            }
            let first = trie.nodes.len();
            for group in below.chunk_by(|(a, _), (b, _)| a[depth] == b[depth]) {
                open.push((trie.nodes.len(), depth + 1, group));
                trie.nodes.push(Node::default());
                trie.bytes.push(group[0].0[depth]);
            }
            trie.nodes[node].children = first..trie.nodes.len();
        }
        trie
    }

    /// The pieces that a text starts with, shortest first: (length in bytes, id).
    pub(super) fn prefixes(&self, text: &[u8]) -> impl Iterator<Item = (usize, u32)> {
        let mut node = &self.nodes[0];
        let walk = text.iter().map_while(move |byte| {
            let children = node.children.clone();
            let at = self.bytes[children.clone()].binary_search(byte).ok()?;
            node = &self.nodes[children.start + at];
            Some(node.id)
        });
        (1..)
            .zip(walk)
            .filter_map(|(length, id)| Some((length, id?)))
    }
}

#[cfg(test)]
mod tests {
    use super::Trie;

    #[test]
    fn all_prefixes_are_found_shortest_first() {
        let pieces = ["ab", "a", "abcd", "b", "é", "abd", "ab"];
        let trie = Trie::new(pieces.into_iter().zip(0..));
        let of = |text: &str| trie.prefixes(text.as_bytes()).collect::<Vec<_>>();
        assert_eq!(of("abcde"), [(1, 1), (2, 0), (4, 2)]);
        assert_eq!(of("abd"), [(1, 1), (2, 0), (3, 5)]);
        assert_eq!(of("éa"), [(2, 4)]);
        assert_eq!(of("è"), []);
        assert_eq!(of(""), []);
        assert_eq!(Trie::new(std::iter::empty()).prefixes(b"a").count(), 0);
    }
}
