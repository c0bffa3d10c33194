//! Stand-ins for the Kandji and Asset Panda Pro APIs.
