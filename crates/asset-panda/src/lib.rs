//! Asset Panda Pro API client.
