"""Industrial machines over OPC UA: job control by ISA-95 (OPC 10031-4), files by OPC 10000-20."""
