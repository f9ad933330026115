// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

/// @dev A wallet that is a contract (ERC-1271). Its signatures have a form of their own: `0x77616c74`, then r, s, v by
/// whoever signs for it now.
contract Wallet {
    address private signer;

    constructor(address signer_) {
        signer = signer_;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        if (signature.length != 69 || bytes4(signature[0:4]) != 0x77616c74) revert("not this wallet's");
        bytes32 r = bytes32(signature[4:36]);
        bytes32 s = bytes32(signature[36:68]);
        return ecrecover(digest, uint8(signature[68]), r, s) == signer ? this.isValidSignature.selector : bytes4(0);
    }

    function hand(address signer_) external {
        signer = signer_;
    }
}
