//! The methods that have a hand-written form.

/// Methods on models that are 32 wide.
pub(super) const METHODS: [&str; 26] = [
    "kind = 'full'",
    "kind = 'head'",
    "kind = 'adapter'\nreduction_factor = 4",
    "kind = 'adapter'\nreduction_factor = 5\ntrain_layer_norms = false\nleave_out = [0]",
    "kind = 'adapter'\nreduction_factor = 4\npositions = 'feed-forward'\nconvention = 'adapterhub'",
    "kind = 'adapter'\nreduction_factor = 4\npositions = 'self-attention'",
    "kind = 'compacter'\nn = 4\nreduction_factor = 4",
    "kind = 'compacter'\nn = 2\nreduction_factor = 4\nrank = 2",
    "kind = 'compacter'\nn = 4\nreduction_factor = 4\nslow = 'own'",
    "kind = 'compacter'\nn = 4\nreduction_factor = 4\nlearn_slow = false",
    "kind = 'compacter'\nn = 4\nreduction_factor = 4\nfast = 'dense'",
    "kind = 'compacter'\nn = 4\nreduction_factor = 4\nconvention = 'adapterhub'",
    "kind = 'compacter'\nn = 4\nreduction_factor = 4\nnon_linearity = 'swish'",
    "kind = 'compacter'\nn = 4\nreduction_factor = 4\nnon_linearity = 'relu'",
    "kind = 'compacter++'\nn = 4\nreduction_factor = 4",
    "kind = 'lora'",
    "kind = 'lora'\nrank = 3\ntargets = ['q', 'k', 'v', 'o']\ndropout = 0.2",
    "kind = 'pfeiffer'\nreduction_factor = 4",
    "kind = 'pfeiffer'\nreduction_factor = 4\nconvention = 'adapterhub'",
    "kind = 'adapterdrop'\nreduction_factor = 4\ndrop_first = 1",
    "kind = 'low-rank'\nreduction_factor = 4",
    "kind = 'low-rank'\nreduction_factor = 4\nrank = 3\ntrain_layer_norms = false",
    "kind = 'phm'\nreduction_factor = 4\nn = 4",
    "kind = 'phm'\nreduction_factor = 4\nn = 4\nslow = 'shared'\nplacement = 'adapterhub'",
    "kind = 'layer-norm'",
    "kind = 'bitfit'",
];

/// The methods that a model can have: T5 has no task head to train alone.
pub(super) fn methods(name: &str) -> impl Iterator<Item = &'static str> {
    let fits = move |table: &&str| !(name.starts_with("t5") && *table == METHODS[1]);
    METHODS.into_iter().filter(fits)
}
