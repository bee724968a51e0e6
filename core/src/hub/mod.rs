//! Where a pretrained model comes from: a local folder, the Hugging Face cache, or a download.
